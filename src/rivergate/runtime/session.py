"""A running app from the outside: broker, supervisor, and all that it starts, ended together."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.domain.errors import RivergateError
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.endings import take_ending
from rivergate.runtime.kafka.addresses import demand
from rivergate.runtime.kafka.server import LocalKafka
from rivergate.runtime.lock import demand_unlocked
from rivergate.runtime.noted_beginnings import note_beginnings
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import Running, read_running
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.supervision.hosts import LocalProcess
from rivergate.runtime.supervision.plan import REVIEW

READY_S = 120.0
STOP_S = 3.8
"""How long the supervisor and all that it started may take to drain; then they are killed."""
END_S = 4.5
"""How long the end of everything may take, the broker included, which loses nothing by being killed."""
BROKER_S = 0.7
"""What the broker gets of that in any case."""
SUPERVISOR = "supervisor"

Tell = Callable[[str, float | None], None]
"""Told what is being done, and how far it is (0 to 1) where that is known."""


def unheard(what: str, share: float | None) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run an app. No `bootstrap` means a local Kafka in the data directory; `spares` are processes for each stage
    that have imported everything and wait to take over. No `workers` means as many as each stage was scaled to, else one.
    `begin` says where agents' stages without a journal begin with history: at `beginning`, or at a time (RFC 3339);
    `models` which imported model they adopt, by its digest; both are noted, and hold at later starts too. `limits` are those
    of `runtime.limits` that shall differ from their defaults. `snapshots` is the URL of the store, if it isn't to be in the
    data directory, which notes it.
    """

    app: AppRef
    data_dir: Path
    bootstrap: str | None = None
    host: str = "ray"
    workers: int | None = None
    spares: int = 1
    stages: tuple[str, ...] = ()
    otlp: str | None = None
    review_port: int = 0
    accept_new_code: dict[str, str] | None = None
    begin: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    snapshots: str | None = None
    security: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def supervisor(self, bootstrap: str) -> ProcessSpec:
        """What the supervisor is told. A broker of our own may still be starting: it is waited for."""
        options = {
            "host": self.host,
            "workers": self.workers,
            "spares": self.spares,
            "stages": list(self.stages),
            "otlp": self.otlp,
            "review_port": self.review_port,
            "log": "supervisor",
            "accept_new_code": self.accept_new_code,
            "begin": self.begin,
            "models": self.models,
            "limits": self.limits,
            "broker_starts": self.bootstrap is None,
            **self.extra,
        }
        return ProcessSpec(
            "supervisor", "supervisor", SUPERVISOR, self.app, bootstrap, str(self.data_dir), self.security, options
        )


class Session:
    """A running app. One thread; `stop` may be called twice."""

    def __init__(self, options: RunOptions, bootstrap: str, supervisor: LocalProcess) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.data = DataDir(options.data_dir)
        self._supervisor = supervisor

    @property
    def running(self) -> Running | None:
        """The newest word of the supervisor."""
        return read_running(self.data.state_file)

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's process."""
        return self._supervisor.pid

    def review_url(self) -> str | None:
        """A link that signs a browser in on the review page; None while the service hasn't told its address."""
        try:
            found = json.loads(self.data.token_file.read_text())
        except (OSError, ValueError):
            return None
        return f"{found['address']}/login?token={found['token']}" if found.get("address") else None

    def demand_alive(self) -> None:
        """Raise what ended the supervisor, if it has ended."""
        if self._supervisor.alive():
            return
        ending = take_ending(self.data, SUPERVISOR)
        if ending is not None:
            raise ending[0]
        raise RivergateError(
            f"the supervisor ended ({self._supervisor.why_ended()})", where=str(self.data.logs / "supervisor.log")
        )

    def wait_until_ready(self, tell: Tell = unheard, timeout_s: float = READY_S) -> None:
        """Wait until every planned shard runs, as long as some recover. Raises what prevents it."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.running
            if found is not None and found.ready:
                return
            if found is not None and found.recovering:
                deadline = time.monotonic() + timeout_s
                tell(*_recovery(found.recovering))
            self.demand_alive()
            if time.monotonic() > deadline:
                raise RivergateError(
                    f"not everything runs after {timeout_s:.0f} s",
                    where=str(self.data.logs),
                    remedy="look into the logs",
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Drain and end everything that this session started, within five seconds."""
        if self._supervisor.alive():
            self._supervisor.ask_to_stop()
            deadline = time.monotonic() + STOP_S
            while self._supervisor.alive() and time.monotonic() < deadline:
                time.sleep(0.02)
        self._supervisor.kill()


def _recovery(shares: Mapping[str, float]) -> tuple[str, float]:
    """What to tell of shards that recover: how many of each stage, and how much is done of all of it."""
    stages = Counter(shard.rpartition("/")[0] for shard in sorted(shares))
    of_each = ", ".join(f"{count} of {stage}" for stage, count in stages.items())
    return f"recovering shards: {of_each}", sum(shares.values()) / len(shares)


@contextlib.contextmanager
def running(options: RunOptions, tell: Tell = unheard) -> Iterator[Session]:
    """Start a broker if none is given, the supervisor and everything else; ready when it yields; ended afterwards."""
    data = DataDir(options.data_dir).make()
    demand_unlocked(data.lock_file)
    if options.snapshots is not None:
        FsspecBlobs(options.snapshots)
        data.note_snapshots(options.snapshots)
    begin, models = note_beginnings(data, options.begin, options.models)
    options = replace(options, begin=begin, models=models)
    if options.review_port and (not options.stages or REVIEW in options.stages):
        demand(options.review_port, "--review-port")
    for stale in (data.state_file, data.declaration_file):
        stale.unlink(missing_ok=True)
    take_ending(data, SUPERVISOR)
    kafka = None if options.bootstrap else LocalKafka(data.root)
    session: Session | None = None

    def start(bootstrap: str) -> None:
        nonlocal session
        session = session or Session(options, bootstrap, LocalProcess(options.supervisor(bootstrap)))

    def declare() -> None:
        Declaration.of(options.app.load()).write(data.declaration_file)

    try:
        if kafka is None:
            start(options.bootstrap or "")
            declare()  # the supervisor imports meanwhile
        else:
            declare()  # before anything is downloaded for an app that can't be loaded
            kafka.start(tell, launched=start)  # everything else imports while Java warms up
        assert session is not None  # noqa: S101 - one of the two has made it
        tell("starting agents, gate, effects, review and audit", None)
        session.wait_until_ready(tell)
        yield session
    finally:
        ended_by = time.monotonic() + END_S
        if session is not None:
            session.stop()
        if kafka is not None:
            kafka.stop(timeout_s=max(BROKER_S, ended_by - time.monotonic()))
