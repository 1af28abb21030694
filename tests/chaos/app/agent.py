"""The agent: sees events, learns from labels, proposes what its events wish for."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import FiniteFloat
from tests.chaos.app.learner import Learner

from rivergate.agents import Agent, Context
from rivergate.domain.event import Event, Label, Proposal


class Reading(Event, topic="{app}-readings", key="key", type="chaos.reading"):
    """An event. `wish` is the kind to propose, or empty."""

    key: str
    n: int
    wish: str
    features: dict[str, FiniteFloat]


class Closing(Event, topic="{app}-readings", key="key", type="chaos.closing"):
    """Asks a shard to say what it has learnt."""

    key: str
    mark: int


class Seen(Event, topic="{app}-seen", key="key", type="chaos.seen"):
    """One for each reading: how often its key was seen, itself included, and the chain over these."""

    key: str
    n: int
    count: int
    chain: str


class Standing(Event, topic="{app}-standings", key="key", type="chaos.standing"):
    """The answer to a closing: what the shard has learnt."""

    key: str
    shard: int
    mark: int
    digest: str
    learned: int


class Note(Proposal):
    """Allowed."""

    key: str
    n: int
    risk: float


class Order(Proposal):
    """Allowed. Whoever takes it can be asked for it, and would take it twice."""

    key: str
    n: int
    risk: float


class Page(Proposal):
    """Allowed. Nobody can tell whether the pager rang."""

    key: str
    n: int
    risk: float


class Halt(Proposal):
    """Waits for people."""

    key: str
    n: int
    risk: float


class Dump(Proposal):
    """Denied."""

    key: str
    n: int
    risk: float


WISHES: dict[str, type[Note | Order | Page | Halt | Dump]] = {
    "note": Note,
    "order": Order,
    "page": Page,
    "halt": Halt,
    "dump": Dump,
}


class Tracker(Agent):
    """One `Seen` for each reading, one proposal for each wish; what it knows is a `Learner`'s."""

    name: ClassVar[str] = "tracker"
    consumes = (Reading, Closing)
    proposes = (Note, Order, Page, Halt, Dump)
    publishes = (Seen, Standing)

    def __init__(self) -> None:
        self.learner = Learner()

    def on_event(self, event: Reading | Closing, ctx: Context) -> None:
        """See, remember, propose; or answer a closing."""
        if isinstance(event, Closing):
            digest, learned = self.learner.digest(), self.learner.learned
            standing = Standing(key=event.key, shard=ctx.shard, mark=event.mark, digest=digest, learned=learned)
            ctx.publish(standing)
            return
        risk = self.learner.see(event.key, event.n, event.features)
        ctx.remember(event, features=event.features, prediction=risk > 0.5)
        count, chain = self.learner.counts[event.key], self.learner.chains[event.key]
        ctx.publish(Seen(key=event.key, n=event.n, count=count, chain=chain))
        kind = WISHES.get(event.wish)
        if kind is not None:
            ctx.propose(
                kind(key=event.key, n=event.n, risk=risk),
                confidence=risk,
                reasons=(f"the event wished for a {event.wish}",),
                expires_in=timedelta(minutes=30),
            )

    def on_label(self, label: Label, ctx: Context) -> None:
        """Learn from the features of then."""
        self.learner.learn(label.features, bool(label.value))
