"""Small apps to break: each callable below makes one, for processes that import it by name."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil
from confluent_kafka import Producer

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_status import ShardStatus, read_statuses
from rivergate.agents import Agent, Context
from rivergate.domain.event import Event, Proposal
from rivergate.domain.record import Record
from rivergate.effects.effector import Action, Delivery, Outcome
from rivergate.runtime.app import App
from rivergate.runtime.paths import DataDir
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef

FILES = Path(__file__).parent / "bad_files"
STAGE = "agent-counter"


class Numbered(Event, topic="{app}-events", key="n"):
    n: int
    fail: bool = False
    size: int = 0


class Note(Proposal):
    n: int
    seen: int
    text: str = ""


class Counter(Agent):
    """Proposes a note for every event, of the size that it is told; fails when told to."""

    consumes = (Numbered,)
    proposes = (Note,)
    name = "counter"
    mended = False

    def __init__(self) -> None:
        self.seen = 0

    def on_event(self, event: Numbered, ctx: Context) -> None:
        self.seen += 1
        if event.fail and not self.mended:
            raise ValueError(f"told to fail at {event.n}")
        ctx.propose(Note(n=event.n, seen=self.seen, text="x" * event.size), confidence=0.5)


class Witness(Counter):
    """Reads the same events and fails at none of them; its notes count from 100."""

    name = "witness"

    def on_event(self, event: Numbered, ctx: Context) -> None:
        ctx.propose(Note(n=100 + event.n, seen=0), confidence=0.5)


class Gambler(Counter):
    """Draws from a generator of its own, which no replay repeats."""

    name = "counter"

    def on_event(self, event: Numbered, ctx: Context) -> None:
        ctx.propose(Note(n=event.n, seen=random.randrange(1 << 30)), confidence=0.5)


class Hoarder(Counter):
    """Keeps what no snapshot can hold."""

    name = "counter"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Clumsy:
    """An effector that raises on every second number, and whose doing nobody can take back."""

    delivery = Delivery.IDEMPOTENT

    def perform(self, action: Action, not_after: int) -> Outcome:
        """Fail on odd numbers."""
        if action.arguments["n"] % 2:
            raise OSError("the printer is on fire")
        return Outcome("done")

    def reconcile(self, action: Action) -> Outcome | None:
        """Nobody knows."""

    def close(self) -> None:
        """Nothing is held."""


def clumsy(data_dir: Path) -> Clumsy:
    """Make the effector that raises."""
    return Clumsy()


def app() -> App:
    """The app that works, one partition."""
    return App(
        name="bad",
        agents=[Counter],
        policy=FILES / "policy.yaml",
        effectors={"note": "rivergate.effects:work_orders"},
        topics=[FILES / "topics"],
        partitions=1,
    )


def witnessed() -> App:
    """Two agents read its events."""
    return replace(app(), agents=[Counter, Witness])


def mended() -> App:
    """The same with the fault mended: the class itself is another one, as it is for whoever deploys mended code."""
    Counter.mended = True
    return witnessed()


def changed() -> App:
    """Its policy is another one."""
    return replace(app(), policy=FILES / "changed.yaml")


def typo() -> App:
    """Its policy names a field that no proposal has."""
    return replace(app(), policy=FILES / "typo.yaml")


def gambler() -> App:
    """Its agent isn't deterministic."""
    return replace(app(), agents=[Gambler])


def hoarder() -> App:
    """Its agent's state can't go into a snapshot."""
    return replace(app(), agents=[Hoarder])


def raising_effector() -> App:
    """Its effector raises."""
    return replace(app(), effectors={"note": f"{__name__}:clumsy"})


def undeclared() -> App:
    """Its agent reads a topic that no file declares."""
    return replace(app(), topics=[])


def missing_effector() -> App:
    """Its effector can't be loaded."""
    return replace(app(), effectors={"note": "rivergate.effects:no_such_thing"})


class World:
    """One app's runs on one data directory, and what readers of committed data see of it."""

    def __init__(self, bootstrap: str, folder: Path, made_by: str = "app", partitions: int = 1) -> None:
        self.bootstrap = bootstrap
        self.name = f"b{uuid.uuid4().hex[:10]}"
        self.data = DataDir(folder)
        self.ref = AppRef(f"{__name__}:{made_by}", self.name, partitions)

    def options(self, **changes: Any) -> RunOptions:
        """How it is run: agents as processes of this machine."""
        given: dict[str, Any] = {"app": self.ref, "data_dir": self.data.root, "bootstrap": self.bootstrap}
        return RunOptions(**(given | {"host": "local"} | changes))

    @contextlib.contextmanager
    def running(self, **changes: Any) -> Iterator[Session]:
        """Run it, ready when this yields."""
        with running(self.options(**changes)) as session:
            yield session

    @property
    def events(self) -> str:
        """Topic that the agent reads."""
        return f"{self.name}-events"

    def send(self, values: Iterable[Any], topic: str = "", headers: dict[str, bytes] | None = None) -> None:
        """Write records (what isn't bytes as JSON) and wait until they are durable."""
        producer = Producer(kafka_settings.producer(self.bootstrap))
        for n, value in enumerate(values):
            raw = value if isinstance(value, bytes) else orjson.dumps(value)
            producer.produce(topic or self.events, raw, b"%d" % n, 0, headers=headers or {})
        assert producer.flush(20) == 0

    def read(self, topic: str, partition: int = 0) -> list[Record]:
        """All committed records of a partition; `topic` without the app's name in front."""
        reader = KafkaReader(self.bootstrap, f"{self.name}.test")
        try:
            return list(reader.scan(f"{self.name}.{topic}", partition))
        finally:
            reader.close()

    def values(self, topic: str, ce_type: str = "") -> list[dict[str, Any]]:
        """The committed records' values, of one type if named."""
        return [orjson.loads(r.value or b"") for r in self.read(topic) if not ce_type or r.ce_type == ce_type]

    def done(self) -> list[int]:
        """The numbers that the effector has written, sorted."""
        path = self.data.root / "work-orders.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return sorted(orjson.loads(line)["arguments"]["n"] for line in lines)

    def worker(self, session: Session, stage: str = STAGE) -> psutil.Process:
        """The process of a stage."""
        assert session.running is not None
        return next(psutil.Process(p.pid) for p in session.running.processes if p.stage == stage and p.has_shards)

    def status(self, stage: str = STAGE, shard: int = 0) -> ShardStatus | None:
        """The newest report of a shard."""
        return read_statuses(self.bootstrap, self.name).get((stage, shard))

    def log(self, name: str = f"{STAGE}-0") -> str:
        """A process's log file."""
        path = self.data.logs / f"{name}.log"
        return path.read_text() if path.exists() else ""


def until(holds: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    """Wait until it holds; whether it did in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@contextlib.contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """SIGSTOP while this lasts, SIGCONT after it."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
