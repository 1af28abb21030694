"""An agent's shard that waits for the gate, and the gate's, which waits for effects and people, on a log in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from tests.unit.gate.world import APP, OPERATOR, START
from tests.unit.gate.world import World as GateRecords
from tests.unit.kernel.transactor_world import Blobs, Put
from tests.unit.kernel.transactor_world import World as Ground

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.clock import SECOND
from rivergate.domain.event import Proposal
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.gate.fold import GateFold
from rivergate.kernel.brake import Awaited, Brake, TooFarBehind, TooMuchKept
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.kernel.transactor import Transactor
from rivergate.runtime.braking import open_reviews
from rivergate.testing.memory_lag import MemoryLag
from rivergate.testing.memory_log import MemoryBroker
from rivergate.testing.memory_shard_log import MemoryShardLog

PARTITIONS = 4


class Ring(Proposal):
    n: int


class Eager(Agent):
    """Proposes for every event, and once more when its timer rings."""

    consumes = (Put,)
    proposes = (Ring,)

    def on_event(self, event: Put, ctx: Context) -> None:
        ctx.propose(Ring(n=event.n), confidence=0.5)
        if event.text == "later":
            ctx.set_timer("late", timedelta(seconds=10))

    def on_timer(self, name: str, ctx: Context) -> None:
        ctx.propose(Ring(n=-1), confidence=0.5)


class Stopwatch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Braked:
    """A shard with a brake, what its brake tells, and a reader that a test plays."""

    def __init__(self, spec: ShardSpec, make_fold: Any, broker: MemoryBroker, now: Any) -> None:
        self.spec, self.broker, self.watch = spec, broker, Stopwatch()
        self.told: list[str] = []
        self._make_fold, self._now = make_fold, now
        self._blobs = Blobs()
        self.lag: MemoryLag

    def owner(self, brake: Brake, limits: Limits) -> Transactor:
        """A new owner, opened."""
        tools = Tools(
            snapshots=self._store(),
            reader=self.broker.reader,
            encoder=SpanEncoder({"service.name": self.spec.app}, "0"),
            clock=self._now,
            versions={},
            brake=brake,
        )
        made = Transactor(self.spec, MemoryShardLog(self.broker, self.spec), self._make_fold, tools, limits)
        made.open()
        return made

    def has_read(self, group: str, tp: tuple[str, int], up_to: int) -> None:
        """A reader of what the shard writes has committed this offset; half a second later it can be asked for."""
        self.broker.offsets[group, tp] = (up_to, "")
        self.watch.s += 0.5

    def read_up_to(self, tp: tuple[str, int]) -> int:
        """What the shard itself has committed."""
        return self.broker.offsets.get((self.spec.group, tp), (0, ""))[0]

    def replayed(self) -> ShardReplay:
        """The shard folded again from nothing."""
        return replay_shard(self.spec, self.broker.reader(), self._make_fold, self._store())[0]

    def _store(self) -> SnapshotStore:
        return SnapshotStore(self._blobs, self.spec, SigningKey(b"s" * 32))


class AgentWorld(Ground):
    """Events for `Eager`, which waits for a gate that reads what the test says."""

    proposals = ("plant.proposals", 0)

    def __init__(self) -> None:
        super().__init__()
        self.stage = f"agent-{Eager.name}"
        self.shard = Braked(self.spec(), lambda: AgentFold(self.app, Eager), self.broker, lambda: self.now)

    def agent(self, limit: int, limits: Limits | None = None) -> Transactor:
        """An owner that reads nothing while the gate is so far behind."""
        shard = self.shard
        shard.lag = MemoryLag(self.broker, "plant.gate", [self.proposals])
        awaited = Awaited("gate/0", self.proposals, frozenset(shard.spec.inputs))
        hold = TooFarBehind("proposals", shard.lag, [awaited], limit, shard.watch)
        return shard.owner(
            Brake("agent-eager/0", [hold], shard.told.append, shard.watch), limits or Limits(batch=2, wait_s=0.0)
        )

    def gate_reads(self, up_to: int) -> None:
        """The gate has committed this offset of the proposals."""
        self.shard.has_read("plant.gate", self.proposals, up_to)

    def proposed(self) -> list[int]:
        """Numbers that were proposed, in order."""
        return [orjson.loads(r.value or b"")["arguments"]["n"] for r in self.broker.records("plant.proposals")]


class GateWorld:
    """The gate on a log with four partitions, of which the records of `tests.unit.gate` use number 3."""

    def __init__(self) -> None:
        self.now = START
        self.records = GateRecords()
        self.broker = MemoryBroker(auto_create=PARTITIONS, clock_ms=lambda: self.now // 1000)
        topics = [f"{APP}.{t}" for t in ("proposals", "decisions", "outcomes")]
        inputs = ((f"{APP}.control", 0), *((t, p) for t in topics for p in range(PARTITIONS)))
        spec = ShardSpec(APP, "gate", 0, inputs, "c" * 64, "w", broadcast=(f"{APP}.control",))
        self.shard = Braked(spec, lambda: GateFold(APP, OPERATOR.public), self.broker, lambda: self.now)
        self.put(self.records.key(), self.records.policy())

    def gate(self, *, reviews: int = 100, actions: int = 100, batch: int = 2) -> Transactor:
        """An owner with these limits."""
        shard = self.shard
        written = [(f"{APP}.actions", p) for p in range(PARTITIONS)]
        proposals = frozenset((f"{APP}.proposals", p) for p in range(PARTITIONS))
        shard.lag = MemoryLag(self.broker, f"{APP}.effects", written)
        awaited = [Awaited(f"effects/{p}", tp, frozenset([(f"{APP}.proposals", p)])) for p, tp in enumerate(written)]
        effects = TooFarBehind("actions", shard.lag, awaited, actions, shard.watch)
        people = TooMuchKept("people", "reviews", open_reviews, reviews, proposals)
        brake = Brake("gate/0", [effects, people], shard.told.append, shard.watch)
        return shard.owner(brake, Limits(batch=batch, wait_s=0.0))

    def put(self, *records: Record) -> None:
        """Write what other stages write."""
        for r in records:
            self.broker.append(r.topic, r.partition, r.value, key=r.key, headers=list(r.headers or ()))

    def propose(self, count: int, cost: float, first: int = 0, partition: int = 3) -> None:
        """Proposals that go to people (140) or pass (50)."""
        for n in range(first, first + count):
            record = self.records.proposal(cost, n)
            self.put(record._replace(partition=partition))

    def approve(self, count: int) -> None:
        """People decide about the oldest open reviews."""
        self.records.clock = self.now
        opened = [v for v in self.values("reviews") if "revision" in v and "quorum" in v]
        settled = {v["proposal_id"] for v in self.values("reviews") if "result" in v}
        for o in [o for o in opened if o["proposal_id"] not in settled][:count]:
            self.put(self.records.decision(o, name=f"d-{o['proposal_id']}"))

    def values(self, topic: str) -> list[dict[str, Any]]:
        """JSON values on a system topic."""
        return [orjson.loads(r.value or b"") for r in self.broker.records(f"{APP}.{topic}")]

    def later(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds * SECOND


def settle(transactor: Transactor) -> None:
    """Step until there is nothing to do; a step asks, and the next one takes the answer."""
    while transactor.step() or transactor.step():
        pass
