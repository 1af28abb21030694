"""`GraphAgent`: what an engineer declares to make a compiled LangGraph graph an agent of an app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rivergate.domain import names
from rivergate.domain.errors import ConfigError
from rivergate.domain.event import Event, Proposal


@dataclass(frozen=True)
class GraphAgent:
    """A graph that consumes events, asks a language model, and proposes through gated tools.

    `graph(model, tools)` builds and compiles the graph, without a checkpointer: the log is the checkpoint.
    `model()` makes the chat model; it is called in the graph's worker alone. There is one tool for each class
    in `proposes`: it has the kind as its name, the class's fields as its arguments and the docstring as its
    description, and it answers with what became of the proposal. `prompt(event)` is the graph's input.

    A graph is run again from the start whenever it gets on: after a model's answer or a proposal has been
    committed, once an outcome or a denial has come, and after a crash. A node that runs again is given what it
    was given before, so between model calls and tools a node must depend on its input alone. Nodes act on the
    world through the gated tools and in no other way.
    """

    name: str
    graph: Callable[[Any, Sequence[Any]], Any]
    model: Callable[[], Any]
    consumes: Sequence[type[Event]]
    proposes: Sequence[type[Proposal]]
    prompt: Callable[[Any], Any]
    publishes: Sequence[type[Event]] = ()
    expires_in: timedelta = timedelta(hours=1)
    attempts: int = 3
    retry_s: float = 1.0
    max_steps: int = 100

    def __post_init__(self) -> None:
        for event in self.consumes:
            if not (isinstance(event, type) and issubclass(event, Event) and event.event_topic):
                raise ConfigError(
                    f"graph {self.name} consumes {event!r}, which isn't an event class with a topic",
                    remedy='declare it as `class Alarm(Event, topic="…", key="…")`',
                )
        for proposal in self.proposes:
            if not (isinstance(proposal, type) and issubclass(proposal, Proposal)):
                raise ConfigError(
                    f"graph {self.name} proposes {proposal!r}, which isn't a proposal class",
                    remedy="declare it as `class Restart(Proposal)`",
                )

    @property
    def stage(self) -> str:
        """`agent-{name}`."""
        return names.agent_stage(self.name)

    def events(self, app: str) -> list[str]:
        """Topics of the events that the graph consumes."""
        return sorted({e.topic_in(app) for e in self.consumes})

    def replies(self, app: str) -> list[str]:
        """Topics that tell what became of proposals; inputs of the stage too, co-partitioned with the events."""
        return [names.topic(app, names.OUTCOMES), names.topic(app, names.DENIALS)]

    def inputs(self, app: str) -> list[str]:
        """All topics that the stage reads."""
        return [*self.events(app), *self.replies(app)]

    def recalls(self, app: str) -> list[str]:
        """Topics that a successor reads again for the events that are open."""
        return [names.topic(app, names.RESPONSES), *self.replies(app)]
