"""The app of one round, as `rivergate up` runs it: a supervisor of its own, and all that this starts."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import psutil
from tests.chaos.app import PARTITIONS, REFERENCE
from tests.chaos.app.target import TARGET

from rivergate.domain.errors import BrokerUnavailable
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import StageProcess
from rivergate.runtime.session import RunOptions, Session
from rivergate.runtime.spec import AppRef
from rivergate.runtime.supervision.arrivals import has_arrived
from rivergate.runtime.supervision.hosts import LocalProcess
from rivergate.runtime.supervision.plan import AUDIT, REVIEW

READY_S = 90.0
LOOK_S = 0.05


class RunningApp:
    """One app on one data directory. One thread. Whoever makes it calls `end`, whatever happens."""

    def __init__(
        self, name: str, data: Path, bootstrap: str, *, host: str, workers: int, extra: dict[str, Any] | None = None
    ) -> None:
        self.name = name
        self.data = DataDir(data)
        self.bootstrap = bootstrap
        self.options = RunOptions(
            app=AppRef(REFERENCE, name, PARTITIONS),
            data_dir=data,
            bootstrap=bootstrap,
            host=host,
            workers=workers,
            extra=extra or {},
        )
        self._session: Session | None = None
        self._supervisor: LocalProcess | None = None
        self._seen: set[int] = set()
        self._twins: list[RunningApp] = []

    def use_ray(self, address: str) -> None:
        """Run on this Ray cluster."""
        self.options = replace(self.options, extra=self.options.extra | {"ray_address": address})

    def start(self) -> None:
        """Start a supervisor; what it starts comes up by itself."""
        self.data.make()
        Declaration.of(self.options.app.load()).write(self.data.declaration_file)
        self.data.state_file.unlink(missing_ok=True)
        self._supervisor = LocalProcess(self.options.supervisor(self.bootstrap))
        self._session = Session(self.options, self.bootstrap, self._supervisor)

    def wait_until_ready(self) -> None:
        """Wait until every shard runs. Raises what prevents it."""
        self._running().wait_until_ready(timeout_s=READY_S)

    def wait_until_warm(self) -> None:
        """Wait until every spare has imported everything, as after the first seconds of an app's life."""
        deadline = time.monotonic() + READY_S
        while not all(has_arrived(self.data, p.incarnation) for p in self._spares()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the spares of {self.name} aren't there after {READY_S:.0f} s")
            time.sleep(LOOK_S)

    def _spares(self) -> list[StageProcess]:
        return [p for p in self.processes if p.stage not in (REVIEW, AUDIT) and not p.has_shards]

    def stop(self) -> None:
        """Drain and end all of it."""
        self._running().stop()

    def end(self) -> None:
        """Leave nothing behind: what hasn't ended by itself is killed."""
        if self._session is not None:
            self._look()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.supervisor_pid, signal.SIGCONT)
            self._session.stop()
            for pid in self._seen:
                _kill(pid, str(self.data.root))

    def replace_supervisor(self, number: signal.Signals) -> None:
        """End the supervisor with this signal and start another on the same data directory."""
        self._look()
        os.kill(self.supervisor_pid, number)
        deadline = time.monotonic() + READY_S
        while not self.has_ended():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the supervisor of {self.name} runs on {READY_S:.0f} s after {number.name}")
            time.sleep(LOOK_S)
        self.start()

    def has_ended(self) -> bool:
        """Whether the supervisor has ended by itself."""
        return self._supervisor is None or not self._supervisor.alive()

    @property
    def is_up(self) -> bool:
        """Whether its supervisor has said that all that it planned runs."""
        found = self._running().running
        return found is not None and found.ready

    def twin(self) -> RunningApp:
        """The same app as another machine would run it: keys, snapshots and target are shared, views are its own."""
        number = int(self.data.root.name.partition("-")[2] or 1) + 1
        data = self.data.root.with_name(f"data-{number}")
        data.mkdir(mode=0o700)
        for shared in ("keys", "snapshots", TARGET, "chaos"):
            (self.data.root / shared).mkdir(exist_ok=True)
            (data / shared).symlink_to((self.data.root / shared).resolve())
        options = self.options
        made = RunningApp(
            self.name, data, self.bootstrap, host=options.host, workers=options.workers, extra=options.extra
        )
        self._twins.append(made)
        return made

    @property
    def all_of_it(self) -> list[RunningApp]:
        """Itself and its twins, and theirs."""
        return [self, *(x for twin in self._twins for x in twin.all_of_it)]

    def _look(self) -> None:
        """Remember what runs now, so that it can be ended even when nobody knows of it any more."""
        _ = self.processes

    @property
    def supervisor_pid(self) -> int:
        """Process id of the supervisor that was started last."""
        return self._running().supervisor_pid

    @property
    def processes(self) -> Sequence[StageProcess]:
        """What the supervisor says that it has started."""
        found = self._running().running
        if found:
            self._seen |= {p.pid for p in found.processes if p.pid}
        return found.processes if found else ()

    def process_of(self, stage: str, draw: Random, timeout_s: float = READY_S) -> StageProcess:
        """One of the stage's live processes, waited for. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = [p for p in self.processes if p.stage == stage and p.alive and p.pid and _lives(p.pid)]
            if found:
                return draw.choice(sorted(found, key=lambda p: p.slot))
            time.sleep(LOOK_S)
        raise TimeoutError(f"{stage} of {self.name} runs nowhere after {timeout_s:.0f} s")

    def keep_up(self) -> None:
        """Raise what ended the supervisor, if it has ended; where it found no broker, start it again, as systemd would."""
        try:
            self._running().demand_alive()
        except BrokerUnavailable:
            self.start()

    def _running(self) -> Session:
        if self._session is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._session


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(pid: int, data: str) -> None:
    """Kill what is one of ours still: its command line names the data directory, or it is an actor of Ray's."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        command = " ".join(process.cmdline())
        if data in command or command.startswith("ray::"):
            process.kill()
