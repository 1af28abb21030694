"""An agent that comes to a log with a history: events, labels half an hour later, and a clock that passes meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from tests.unit.kernel.transactor_world import OLD_CODE, Kept, Put, World

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import SECOND, Micros
from rivergate.domain.event import Label, Proposal
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.testing.memory_shard_log import MemoryShardLog

MINUTE: Micros = 60 * SECOND
EVERY: Micros = 10 * MINUTE
LATE = 3
"""A label comes with the third event after its own."""
EVENTS = 120
"""What most of a day brings."""


class Note(Proposal):
    n: int


class Latecomer(Agent):
    """Says something of every event, at once and half an hour later; remembers at most what a few hours bring."""

    consumes = (Put,)
    publishes = (Kept,)
    proposes = (Note,)
    remembered_for = timedelta(hours=2)
    early_labels = 5

    def __init__(self) -> None:
        self.learnt: list[tuple[int, bool]] = []
        self.knew: list[int] = []
        self.sum = 0

    def on_event(self, event: Put, ctx: Context) -> None:
        if event.text == "raise":
            raise ValueError("told to fail")
        self.sum += event.n
        self.knew.append(len(self.learnt))
        ctx.remember(event, features={"n": event.n})
        ctx.publish(Kept(n=event.n, sum=self.sum, text=event.text))
        ctx.propose(Note(n=event.n), confidence=0.5)
        ctx.set_timer(f"later-{event.n}", ctx.now + timedelta(minutes=30))

    def on_label(self, label: Label, ctx: Context) -> None:
        self.learnt.append((label.features["n"], label.value))

    def on_timer(self, name: str, ctx: Context) -> None:
        ctx.publish(Kept(n=-1, sum=self.sum, text=name))


class HistoryWorld(World):
    """`World` with the agent's inputs, and ways to fill them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = f"agent-{Latecomer.name}"
        self.sent = 0
        self.every = EVERY

    def spec(self, code: str = OLD_CODE, accept: dict[str, str] | None = None) -> ShardSpec:
        """With labels beside the events."""
        return replace(super().spec(code, accept), inputs=(("plant-in", 0), ("plant.labels", 0)))

    def live(self, events: int, text: str = "") -> None:
        """So many events, `every` microseconds apart, and what is known by then of earlier ones."""
        for _ in range(events):
            self.put(self.sent, text)
            if self.sent >= LATE:
                value: dict[str, Any] = {"event_id": f"plant-in/0/{self.sent - LATE}", "value": self.sent % 2 == 0}
                self.broker.append("plant.labels", 0, orjson.dumps(value))
            self.sent += 1
            self.now += self.every

    def newcomer(
        self, begin: str | None = None, *, limits: Limits | None = None, told: list[tuple[int, int, bool]] | None = None
    ) -> Transactor:
        """An owner of the shard, not opened yet; `told` takes what it says of its progress."""
        made = self.transactor(Latecomer, limits=limits or Limits(batch=20, wait_s=0.0))
        spec = replace(made.spec, begin=begin)
        tools = made._tools if told is None else replace(made._tools, catching_up=lambda *how_far: told.append(how_far))
        return Transactor(
            spec, MemoryShardLog(self.broker, spec), lambda: AgentFold(self.app, Latecomer), tools, made._limits
        )

    def again(self, agent: type[Agent] = Latecomer) -> ShardReplay:
        """The shard folded again from nothing."""
        spec = self.spec()
        return replay_shard(spec, self.broker.reader(), lambda: AgentFold(self.app, agent), self.store(spec))[0]


def learnt(transactor: Transactor) -> list[tuple[int, bool]]:
    """What the agent learnt, in order, having forgotten nothing."""
    fold = transactor.fold
    assert isinstance(fold, AgentFold)
    assert (fold.state.memory.forgotten, fold.state.memory.expired_labels) == (0, 0)
    assert isinstance(fold.state.agent, Latecomer)
    return fold.state.agent.learnt


def truth(first: int, end: int) -> list[tuple[int, bool]]:
    """What there is to learn of these events, in the order of their labels."""
    return [(n, (n + LATE) % 2 == 0) for n in range(first, end)]
