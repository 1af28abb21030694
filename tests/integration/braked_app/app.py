"""An agent that proposes for every event, and a world that does nothing while a file says so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from rivergate.agents import Agent, Context
from rivergate.domain.clock import Micros
from rivergate.domain.event import Event, Label, Proposal
from rivergate.effects.effector import Action, Outcome
from rivergate.effects.json_lines import JsonLines
from rivergate.runtime.app import App

HERE = Path(__file__).parent
HOLD = "hold"
DONE = "done.jsonl"


class Order(Event, topic="{app}-orders", key="key"):
    """Somebody wants something; `costly` asks people."""

    key: str
    n: int
    costly: bool


class Deliver(Proposal):
    """Do it."""

    n: int
    costly: bool


class Clerk(Agent):
    """Proposes for every order, and learns from what came of it."""

    name: ClassVar[str] = "clerk"
    consumes = (Order,)
    proposes = (Deliver,)

    def __init__(self) -> None:
        self.learnt = 0

    def on_event(self, event: Order, ctx: Context) -> None:
        """Always."""
        ctx.remember(event, features={"n": float(event.n)})
        ctx.propose(Deliver(n=event.n, costly=event.costly), confidence=0.9)

    def on_label(self, label: Label, ctx: Context) -> None:
        """The loop from outcomes back to the agent."""
        self.learnt += 1


class Sluggish(JsonLines):
    """Writes nothing down as long as the file `hold` is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / DONE, lambda: time.time_ns() // 1000)
        self._hold = folder / HOLD

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Wait, then write."""
        while self._hold.exists():
            time.sleep(0.02)
        done = super().perform(action, not_after)
        return Outcome(done.status, done.detail, label=True)


def make(data_dir: Path) -> Sluggish:
    """As the effects process asks for it."""
    return Sluggish(data_dir)


def app() -> App:
    """As `AppRef` names it."""
    return App(
        name="braked",
        agents=[Clerk],
        policy=HERE / "policy.yaml",
        effectors={"deliver": f"{__name__}:make"},
        topics=[HERE / "topics"],
    )
