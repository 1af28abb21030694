"""`Agent`: user code that perceives events, learns, and proposes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from rivergate.agents.adopting import take_over
from rivergate.agents.context import Context
from rivergate.domain.errors import ConfigError
from rivergate.domain.event import Event, Label, Proposal, snake_case


class Agent:
    """Base of all agents. One class is one stage; one instance is one shard's state.

    A shard calls the methods from one thread, one record at a time, in the order of the log. Everything that
    the instance holds is its state: it is put into snapshots with pickle and rebuilt by folding the log again,
    so the methods must be deterministic: time is `ctx.now`, randomness `ctx.random`, and nothing is read from
    outside. A method that raises undoes the state to before the record, which goes to the dead letters.

    Whatever waits is bounded: `remembered_events` and `remembered_for` for events that wait for a label,
    `early_labels` and `early_labels_for` for labels that came before their event, `keyed_entries` and
    `keyed_for` for keyed state. What falls out is counted.
    """

    name: ClassVar[str] = ""
    """Names the stage `agent-{name}`; the class name in snake case, if not given."""
    consumes: ClassVar[Sequence[type[Event]]] = ()
    proposes: ClassVar[Sequence[type[Proposal]]] = ()
    publishes: ClassVar[Sequence[type[Event]]] = ()

    remembered_events: ClassVar[int] = 50_000
    remembered_for: ClassVar[timedelta] = timedelta(days=7)
    early_labels: ClassVar[int] = 10_000
    early_labels_for: ClassVar[timedelta] = timedelta(hours=1)
    keyed_entries: ClassVar[int] = 10_000
    keyed_for: ClassVar[timedelta] = timedelta(days=7)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake_case(cls.__name__)
        for event in (*cls.consumes, *cls.publishes):
            if not (isinstance(event, type) and issubclass(event, Event) and event.event_topic):
                raise ConfigError(
                    f"agent {cls.__name__} names {event!r}, which isn't an event class with a topic",
                    remedy='declare it as `class Reading(Event, topic="…", key="…")`',
                )
        for proposal in cls.proposes:
            if not (isinstance(proposal, type) and issubclass(proposal, Proposal)):
                raise ConfigError(
                    f"agent {cls.__name__} proposes {proposal!r}, which isn't a proposal class",
                    remedy="declare it as `class Inspect(Proposal)`",
                )

    def adopt(self, model: Any) -> None:
        """A model that somebody imported for this agent, on a fresh instance, before its first record.

        An agent of the same class gives all its attributes; anything else becomes `self.model`, if that is of the same
        make. Each shard gets a copy of its own. Deterministic, as all methods: it runs again in every replay from the
        beginning. Raises `BadInput` for what it can't take over; then the shard parks, and nothing has been read.
        """
        take_over(self, model)

    def on_event(self, event: Any, ctx: Context) -> None:
        """An event of one of the classes in `consumes`."""

    def on_label(self, label: Label, ctx: Context) -> None:
        """Truth about an event that this agent remembered; at most one label for each event."""

    def on_message(self, message: dict[str, Any], ctx: Context) -> None:
        """A message that another agent sent to this one."""

    def on_timer(self, name: str, ctx: Context) -> None:
        """A timer that this agent set is due."""
