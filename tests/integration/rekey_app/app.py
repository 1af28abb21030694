"""A counter and its listener: each event makes a proposal of both, which says what came before it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from rivergate.agents import Agent, Context
from rivergate.domain.event import Event, Label, Proposal
from rivergate.runtime.app import App

HERE = Path(__file__).parent
LATER = timedelta(hours=1)


class Number(Event, topic="{app}-numbers", key="line"):
    line: str
    n: int


class Seen(Event, topic="{app}-seen", key="line"):
    line: str
    n: int


class Note(Proposal):
    line: str
    n: int
    before: int
    labels: int


class Echo(Proposal):
    line: str
    n: int
    before: int
    messages: int


class Counter(Agent):
    """Passes on what it has seen, and learns that it was right."""

    consumes = (Number,)
    publishes = (Seen,)
    proposes = (Note,)

    def on_event(self, event: Number, ctx: Context) -> None:
        known = ctx.keyed(event.line)
        ctx.remember(event, features={"line": event.line})
        note = Note(line=event.line, n=event.n, before=known.get("n", -1), labels=known.get("labels", 0))
        ctx.propose(note, confidence=0.9)
        ctx.publish(Seen(line=event.line, n=event.n))
        ctx.send("listener", {"line": event.line}, key=event.line)
        ctx.set_timer(f"later-{event.line}-{event.n}", LATER)
        known["n"] = event.n

    def on_label(self, label: Label, ctx: Context) -> None:
        known = ctx.keyed(label.features["line"])
        known["labels"] = known.get("labels", 0) + 1


class Listener(Agent):
    """Hears of all of it from the counter: as an event, and as a message."""

    consumes = (Seen,)
    proposes = (Echo,)

    def on_event(self, event: Seen, ctx: Context) -> None:
        known = ctx.keyed(event.line)
        echo = Echo(line=event.line, n=event.n, before=known.get("n", -1), messages=known.get("messages", 0))
        ctx.propose(echo, confidence=0.9)
        known["n"] = event.n

    def on_message(self, message: dict[str, Any], ctx: Context) -> None:
        known = ctx.keyed(message["line"])
        known["messages"] = known.get("messages", 0) + 1


def app() -> App:
    """Under the name that the command line gives it."""
    return App(
        name="rekeyed",
        agents=[Counter, Listener],
        policy=HERE / "policy.yaml",
        topics=[HERE / "topics"],
        partitions=2,
    )
