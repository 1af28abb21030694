"""A broker of our own on the loopback address."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rivergate.domain.errors import RivergateError
from rivergate.runtime.kafka.addresses import demand, free_port, is_free
from rivergate.runtime.kafka.distribution import ensure_distribution
from rivergate.runtime.kafka.errors import BrokerSilent, DataDirInUse, PortInUse
from rivergate.runtime.kafka.holding import Holder, Holding, hold, process_runs
from rivergate.runtime.kafka.home import Home, Identity
from rivergate.runtime.kafka.launch import Launch, RunningBroker
from rivergate.runtime.kafka.progress import Progress, unheard
from rivergate.runtime.kafka.readiness import wake
from rivergate.runtime.kafka.settings import Front
from rivergate.runtime.kafka.settle import settle
from rivergate.runtime.kafka.training import start_options
from rivergate.runtime.usable import usable

ORPHAN_PATIENCE_S = 15.0  # a broker whose owner is gone is ending: its tether allows it 5 s


def unheard_of(address: str) -> None:
    """Nobody wants to know."""


class LocalKafka:
    """One Apache Kafka process on 127.0.0.1 with its data in `{data_dir}/kafka`.

    It ends with us, whatever ends us. What was written survives its restart and its SIGKILL. `bootstrap` stays the same
    over restarts: a port of None takes the one remembered in the data directory if it is free, else chooses one. `front`
    is a second way in, for clients that come through a proxy.
    Not thread-safe: one owner starts and stops it.
    """

    def __init__(
        self, data_dir: Path, port: int | None = None, *, heap_mb: int = 512, front: Front | None = None
    ) -> None:
        self._home = Home(Path(data_dir).absolute())
        self._asked_port = port
        self._port: int | None = port
        self._heap_mb = heap_mb
        self._front = front
        self._broker: RunningBroker | None = None

    def start(
        self,
        progress: Progress | None = None,
        *,
        launched: Callable[[str], None] = unheard_of,
        timeout_s: float = 120.0,
    ) -> None:
        """Start it and return when it serves clients; does nothing while it runs. `launched` gets the address once its
        process runs, before it serves (and again where a lost port made a second start of it necessary).

        The first start on a machine fetches Apache Kafka (55 MB). Raises PortInUse, DataDirInUse,
        DistributionUnavailable, BrokerCrashed, BrokerSilent, ConfigError.
        """
        if self.alive:
            return
        tell = progress or unheard
        # 1. the directory is ours
        self._home.make()
        with usable(self._home.data_dir), self._hold(tell) as holding:
            # 2. there is a port (checked before anything slow)
            identity = self._home.identity()
            port = self._choose_port(identity)
            # 3. Apache Kafka is here, to the byte
            distribution = ensure_distribution(tell)
            options = start_options(distribution, tell)
            # 4. nothing of the broker before stands in the way of the next
            launch = Launch(distribution, self._home, port, self._heap_mb, options, self._front)
            if self._home.has_served():
                tell("settling what the broker before has left", None)
                settle(launch, holding.descriptor)
            # 5. the log has its identity, the broker runs and answers
            self._home.remember(Identity(identity.cluster_id, port))
            tell(f"starting Apache Kafka {distribution.version} on 127.0.0.1:{port}", None)
            try:
                broker = self._run(launch, identity.cluster_id, holding, timeout_s, launched)
            except PortInUse:
                # the controller's port, which nobody asked for, may have been lost to another process in between
                demand(port)
                broker = self._run(launch, identity.cluster_id, holding, timeout_s, launched)
            self._port, self._broker = port, broker

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `timeout_s`; returns when it has ended. May be called at any time."""
        if self._broker:
            self._broker.process.stop(timeout_s)
            self._broker = None

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when it has ended."""
        if self._broker:
            self._broker.process.kill()

    def why_ended(self) -> RivergateError | None:
        """Why a broker that ran isn't alive any more; None while it is, and when `stop` ended it."""
        return self._broker.why_ended() if self._broker and not self.alive else None

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._broker is not None and self._broker.process.alive

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; known from the first start on, or at once if a port was given."""
        if self._port is None:
            raise BrokerSilent(
                "the local broker hasn't been started, so it has no address yet", remedy="start it first"
            )
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The id of its process, None while it doesn't run."""
        return self._broker.process.pid if self._broker and self.alive else None

    @property
    def data_dir(self) -> Path:
        """The data directory, absolute."""
        return self._home.data_dir

    @property
    def log_file(self) -> Path:
        """Where Kafka logs."""
        return self._home.log_file

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(
        self,
        launch: Launch,
        cluster_id: str,
        holding: Holding,
        timeout_s: float,
        launched: Callable[[str], None],
    ) -> RunningBroker:
        launch.prepare(cluster_id)
        broker = launch.spawn(holding.descriptor)
        try:
            holding.tell(Holder(pid=broker.process.pid, owner=os.getpid(), port=launch.port))
            launched(f"127.0.0.1:{launch.port}")
            broker.wait_until_serving(timeout_s)
            wake(launch.port)
        except BaseException:
            broker.process.stop(2.0)
            raise
        return broker

    def _choose_port(self, identity: Identity) -> int:
        if self._port is not None:
            return demand(self._port)
        if identity.port is not None and is_free(identity.port):
            return identity.port
        return free_port()

    def _hold(self, tell: Progress) -> Holding:
        lock, found = self._home.lock, Holder(0, 0)

        def patience(holder: Holder | None, waited_s: float) -> bool:
            nonlocal found
            found = holder or found
            if holder and process_runs(holder.owner):
                return False
            tell("waiting for the broker of a process that has gone", None)
            return waited_s < ORPHAN_PATIENCE_S

        holding = hold(lock, patience=patience)
        if holding is None:
            at = f" on 127.0.0.1:{found.port}" if found.port else ""
            raise DataDirInUse(
                f"a broker works on this data directory already (process {found.pid}{at})",
                pid=found.pid,
                where=str(self._home.data_dir),
                remedy=f"use that one, or end it (process {found.owner} started it), or name another --data-dir",
            )
        return holding
