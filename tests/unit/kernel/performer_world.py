"""An effects shard on a log in memory, with effectors that do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.ids import arguments_digest, proposal_id
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Headers
from rivergate.effects.attempts import EffectLimits, Effects
from rivergate.effects.effector import Action, Delivery, Outcome
from rivergate.kernel.commit import Hook, no_hook
from rivergate.kernel.performer import Performer
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.runtime.effects_work import EffectsWork
from rivergate.testing.memory_log import MemoryBroker
from rivergate.testing.memory_shard_log import MemoryShardLog

START: Micros = 1_900_000_000 * SECOND
TRACEPARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Scripted:
    """An effector whose world is a list of keys. `script` runs before it acts, and may raise or wait."""

    delivery: Delivery = Delivery.IDEMPOTENT
    script: Callable[[Action], None] = lambda action: None
    world: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        self.calls.append(action.key)
        self.script(action)
        with self.lock:
            if self.delivery is not Delivery.IDEMPOTENT or action.key not in self.world:
                self.world.append(action.key)
        return Outcome("done", label=True)

    def reconcile(self, action: Action) -> Outcome | None:
        self.asked.append(action.key)
        return Outcome("done", "found") if action.key in self.world else None

    def close(self) -> None:
        """Nothing is held."""


class World:
    """One app: its log, its one effects shard, and a clock that stands still unless it is moved."""

    def __init__(self, effector: Scripted | None = None, **others: Scripted) -> None:
        self.app = "plant"
        self.effector = effector or Scripted()
        self.effectors = {"note": self.effector, **others}
        self.now = START
        self.broker = MemoryBroker(auto_create=1, clock_ms=lambda: self.now // 1000)
        self.spec = ShardSpec(self.app, "effects", 0, (("plant.actions", 0),), "c" * 64, "w")
        self.count = 0

    def act(self, key: str = "k", of: str = "note", **changes: Any) -> str:
        """Put an action of a kind on the log, as the gate does; `changes` spoil it. Returns its id."""
        n = self.count
        self.count += 1
        event_id = f"events/0/{n}"
        pid = proposal_id(self.app, "a", event_id, 0)
        value = {
            "proposal_id": pid,
            "kind": of,
            "arguments": {"n": n},
            "arguments_digest": arguments_digest(of, {"n": n}),
            "policy_digest": "p",
            "verdict": "allow",
            "rules": [],
            "decisions": [],
            "event_id": event_id,
            "event": {"topic": "events", "partition": 0, "offset": n},
            "expires_at": rfc3339(START + 3600 * SECOND),
        } | changes
        headers: Headers = [("ce_type", b"rivergate.action.v1"), ("traceparent", TRACEPARENT)]
        self.broker.append("plant.actions", 0, orjson.dumps(value), key=key.encode(), headers=headers)
        return pid

    def performer(self, *, hook: Hook = no_hook, limits: EffectLimits | None = None, at_once: int = 256) -> Performer:
        """A new owner of the shard, opened."""
        tools = Tools(
            snapshots=cast("SnapshotStore", None),
            reader=self.broker.reader,
            encoder=SpanEncoder({"service.name": self.app}, "0"),
            clock=lambda: self.now,
            versions={},
            hook=hook,
        )
        effect_limits = limits or EffectLimits(retry_s=0.0)

        def work() -> EffectsWork:
            return EffectsWork(self.app, Effects(self.app, self.effectors, lambda: self.now, effect_limits))

        made = Performer(
            replace(self.spec),
            MemoryShardLog(self.broker, self.spec),
            work,
            tools,
            Limits(batch=50, wait_s=0.0, open=at_once),
            recalls=["plant.outcomes"],
        )
        made.open()
        return made

    def settle(self, performer: Performer) -> None:
        """Step until every action on the log has a final outcome or went to the dead letters."""
        for _ in range(2000):
            performer.step()
            if len(self.finals()) + len(self.broker.records("plant.dead_letters")) >= self.count:
                return
        raise AssertionError(f"not settled: {self.finals()}")

    def intend(self, performer: Performer) -> None:
        """Step until an intent stands."""
        for _ in range(10):
            if self.intents():
                return
            performer.step()
        raise AssertionError("no intent in ten steps")

    def written(self, ce_type: str) -> list[dict[str, Any]]:
        """Values on `outcomes` of one type, in order."""
        found = (r for r in self.broker.records("plant.outcomes") if r.ce_type == ce_type)
        return [orjson.loads(r.value or b"") for r in found]

    def intents(self) -> list[dict[str, Any]]:
        """Intents in order."""
        return self.written("rivergate.intent.v1")

    def finals(self) -> list[tuple[str, str]]:
        """(proposal id, status) of the outcomes in order."""
        return [(v["proposal_id"], v["status"]) for v in self.written("rivergate.outcome.v1")]

    def journal(self) -> list[CommitRecord]:
        """The shard's commit records."""
        return [CommitRecord.from_json(r.value or b"") for r in self.broker.records("plant.journal.effects")]


def await_deeds(performer: Performer) -> None:
    """Until what is in flight has come back; nothing more can be begun before a rebuild."""
    for pool in performer._deeds._pools.values():
        pool.shutdown(wait=True)


def statuses(pids: Iterable[str], world: World) -> list[list[str]]:
    """All outcomes of each of these actions."""
    return [[s for p, s in world.finals() if p == pid] for pid in pids]
