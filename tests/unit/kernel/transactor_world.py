"""A one-shard agent on a log in memory: its transactors, and what a reader of committed data sees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import orjson

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.clock import SECOND, Micros
from rivergate.domain.event import Event
from rivergate.domain.journal import CommitRecord
from rivergate.domain.signing import SigningKey
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.kernel.transactor import Transactor
from rivergate.ports import Fold
from rivergate.testing.memory_log import MemoryBroker
from rivergate.testing.memory_shard_log import MemoryShardLog

START: Micros = 1_900_000_000 * SECOND
OLD_CODE, NEW_CODE = "a" * 64, "b" * 64


class Put(Event, topic="{app}-in", key="n"):
    n: int
    text: str = ""


class Kept(Event, topic="{app}-out", key="n"):
    n: int
    sum: int
    text: str


class Summing(Agent):
    """Publishes the sum so far beside every number; raises what it is told to."""

    consumes = (Put,)
    publishes = (Kept,)
    factor = 1

    def __init__(self) -> None:
        self.sum = 0

    def on_event(self, event: Put, ctx: Context) -> None:
        self.sum += event.n * self.factor
        if event.text == "raise":
            raise ValueError("told to fail: \ud800")
        ctx.publish(Kept(n=event.n, sum=self.sum, text=event.text * 1000 if event.text == "long" else event.text))


class Doubling(Summing):
    """What `Summing` becomes when its engineer changes it."""

    name = Summing.name
    factor = 2


class Blobs:
    """`ports.Blobs` in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, name: str, content: bytes) -> None:
        """Keep."""
        self.kept[name] = content

    def get(self, name: str, limit: int | None = None) -> bytes:
        """The bytes, or the first `limit` of them. Raises `KeyError`."""
        return self.kept[name][:limit]

    def names(self, prefix: str) -> list[str]:
        """Sorted."""
        return sorted(n for n in self.kept if n.startswith(prefix))

    def delete(self, name: str) -> None:
        """Remove."""
        self.kept.pop(name, None)


class World:
    """The log, the snapshots, and a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.app = "plant"
        self.now = START
        self.broker = MemoryBroker(auto_create=1, clock_ms=lambda: self.now // 1000)
        self.blobs = Blobs()
        self.stage = f"agent-{Summing.name}"

    def put(self, n: int, text: str = "") -> None:
        """An event."""
        self.broker.append("plant-in", 0, orjson.dumps({"n": n, "text": text}))

    def spec(self, code: str = OLD_CODE, accept: dict[str, str] | None = None) -> ShardSpec:
        """The shard as a supervisor gives it to a worker with this code."""
        return ShardSpec(self.app, self.stage, 0, (("plant-in", 0),), code, "w", accept_new_code=accept)

    def store(self, spec: ShardSpec) -> SnapshotStore:
        """Its snapshots."""
        return SnapshotStore(self.blobs, spec, SigningKey(hashlib.sha256(b"snapshots").digest()))

    def transactor(
        self,
        agent: type[Agent] = Summing,
        *,
        code: str = OLD_CODE,
        accept: dict[str, str] | None = None,
        limits: Limits | None = None,
        make: Callable[[], Fold] | None = None,
    ) -> Transactor:
        """A new owner of the shard, not opened yet."""
        spec = self.spec(code, accept)
        tools = Tools(
            snapshots=self.store(spec),
            reader=self.broker.reader,
            encoder=SpanEncoder({"service.name": self.app}, "0"),
            clock=lambda: self.now,
            versions={},
        )
        fold = make or (lambda: AgentFold(self.app, agent))
        return Transactor(spec, MemoryShardLog(self.broker, spec), fold, tools, limits or Limits(batch=1, wait_s=0.0))

    def replay(self, agent: type[Agent] = Summing) -> ShardReplay:
        """The shard folded again from nothing."""
        spec = self.spec()
        return replay_shard(spec, self.broker.reader(), lambda: AgentFold(self.app, agent), self.store(spec))[0]

    def written(self, topic: str = "plant-out") -> list[dict[str, Any]]:
        """Committed values of a topic."""
        return [orjson.loads(r.value or b"") for r in self.broker.records(topic)]

    def journal(self) -> list[CommitRecord]:
        """The shard's journal."""
        return [CommitRecord.from_json(r.value or b"") for r in self.broker.records(f"plant.journal.{self.stage}")]

    def dead(self) -> list[str]:
        """Why records became dead letters."""
        return [(r.header("rg_reason") or b"").decode() for r in self.broker.records("plant.dead_letters")]


def run(transactor: Transactor) -> Transactor:
    """Open it and step until there is nothing to do."""
    transactor.open()
    while transactor.step():
        pass
    return transactor
