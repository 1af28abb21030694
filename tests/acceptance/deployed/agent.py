"""The agent whose code changes: it counts, and says which code counted."""

from __future__ import annotations

import os
from typing import ClassVar

from rivergate.agents import Agent, Context
from rivergate.domain.event import Event

CODE = 1
MORE = int(os.environ.get("DEPLOYED_MORE", "0"))


class Ticked(Event, topic="{app}-ticks", key="key"):
    """The n-th event of a key."""

    key: str
    n: int


class Counted(Event, topic="{app}-counts", key="key"):
    """What the agent made of it: how many of the key it has seen, and by which code."""

    key: str
    n: int
    count: int
    code: int


class Counter(Agent):
    """One `Counted` for each `Ticked`."""

    name: ClassVar[str] = "counter"
    consumes = (Ticked,)
    publishes = (Counted,)

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def on_event(self, event: Ticked, ctx: Context) -> None:
        """Count."""
        self.counts[event.key] = self.counts.get(event.key, 0) + 1
        ctx.publish(Counted(key=event.key, n=event.n, count=self.counts[event.key], code=CODE + MORE))
