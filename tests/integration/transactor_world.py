"""A one-shard app on a real broker: topics, records, transactors, and what a reader of committed data sees."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.adapters.kafka_log import KafkaShardLog
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.event import Event, Proposal
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.kernel.commit import Hook, no_hook
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.kernel.transactor import Transactor


class Numbered(Event, topic="{app}-events", key="n"):
    n: int
    fail: bool = False


class Copy(Event, topic="{app}-copies", key="n"):
    n: int
    seen: int
    luck: float


class Note(Proposal):
    n: int


class Counter(Agent):
    """Counts, publishes a copy of every event, proposes for every fifth, and fails when told to."""

    consumes = (Numbered,)
    publishes = (Copy,)
    proposes = (Note,)

    def __init__(self) -> None:
        self.seen = 0

    def on_event(self, event: Numbered, ctx: Context) -> None:
        self.seen += 1
        if event.fail:
            raise ValueError(f"told to fail at {event.n}")
        ctx.publish(Copy(n=event.n, seen=self.seen, luck=ctx.random.random()))
        if event.n % 5 == 0:
            ctx.propose(Note(n=event.n), confidence=0.5)


class Crash(BaseException):
    """The process dies here: nobody catches it."""


class World:
    """Topics of an app of its own on the broker; transactors of its one shard; records as readers see them."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.app = f"t{uuid.uuid4().hex[:10]}"
        self.folder = folder
        self.key = SigningKey.generate()
        self.producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "enable.idempotence": True})
        self.stage = f"agent-{Counter.name}"
        plain = [self.events, self.copies, *(f"{self.app}.{n}" for n in ("proposals", "otlp_spans", "dead_letters"))]
        journal = NewTopic(f"{self.app}.journal.{self.stage}", 1, config={"message.timestamp.type": "LogAppendTime"})
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([*(NewTopic(t, 1) for t in plain), journal]).values():
            future.result()

    @property
    def events(self) -> str:
        """Topic that the agent reads."""
        return f"{self.app}-events"

    @property
    def copies(self) -> str:
        """Topic that the agent publishes to."""
        return f"{self.app}-copies"

    def send(self, values: Iterable[Any]) -> None:
        """Write events (anything that isn't bytes is written as JSON) and wait until they are durable."""
        for value in values:
            raw = value if isinstance(value, bytes) else orjson.dumps(value)
            self.producer.produce(self.events, raw, b"k", 0)
        assert self.producer.flush(10) == 0

    def send_in_transaction(self, *values: Any) -> None:
        """Write events as another stage does: a marker stands behind them."""
        settings = {"bootstrap.servers": self.bootstrap, "transactional.id": f"{self.app}.upstream", "linger.ms": 0}
        producer = Producer(settings)
        producer.init_transactions(10)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.events, orjson.dumps(value), b"k", 0)
        producer.commit_transaction(10)

    def remove_all_events(self) -> None:
        """What retention does to a quiet partition: nothing is left before the end."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.delete_records([TopicPartition(self.events, 0, OFFSET_END)]).values():
            future.result()

    def transactor(
        self,
        worker: str = "w",
        *,
        hook: Hook = no_hook,
        code: str = "c" * 64,
        limits: Limits | None = None,
        clock: Callable[[], int] | None = None,
        accept: dict[str, str] | None = None,
    ) -> Transactor:
        """An owner of the shard that hasn't opened it yet."""
        spec = ShardSpec(self.app, self.stage, 0, ((self.events, 0),), code, worker, accept_new_code=accept)
        tools = Tools(
            snapshots=SnapshotStore(FsspecBlobs(str(self.folder / "snapshots")), spec, self.key),
            reader=lambda: KafkaReader(self.bootstrap, f"{self.app}.replay"),
            encoder=SpanEncoder({"service.name": self.app}, "0"),
            clock=clock or (lambda: time.time_ns() // 1000),
            versions={},
            hook=hook,
        )
        log = KafkaShardLog(self.bootstrap, spec)
        return Transactor(spec, log, lambda: AgentFold(self.app, Counter), tools, limits or Limits(batch=7, wait_s=0.3))

    def read(self, topic: str) -> list[Record]:
        """All committed records of a topic's partition 0."""
        reader = KafkaReader(self.bootstrap, f"{self.app}.test")
        try:
            return list(reader.scan(topic, 0))
        finally:
            reader.close()

    def journal(self) -> list[CommitRecord]:
        """The shard's commit records."""
        return [CommitRecord.from_json(r.value or b"") for r in self.read(f"{self.app}.journal.{self.stage}")]


def finish(transactor: Transactor) -> None:
    """Step until nothing is left."""
    while transactor.step():
        pass
