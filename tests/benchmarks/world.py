"""What the benchmarks read and write: one shape of event, three agents, and the app that each of them is."""

from __future__ import annotations

from pathlib import Path

from rivergate.agents import Agent, Context
from rivergate.domain.event import Event, Proposal
from rivergate.runtime.app import App

HERE = Path(__file__).parent
READINGS = "bench-readings"
LESSONS = "bench-lessons"
SOURCE = "/bench/feed"


class Reading(Event, topic=READINGS, key="line", type="bench.reading"):
    """Nine sensors of a line: about 150 bytes of JSON."""

    line: str
    n: int
    sensors: dict[str, float]


class Lesson(Event, topic=LESSONS, key="line", type="bench.reading"):
    """The same on the topic that the learner reads."""

    line: str
    n: int
    sensors: dict[str, float]


class LiveReading(Event, topic="{app}-live", key="line", type="bench.reading"):
    """The same on a topic of the run's own, fed while it is read."""

    line: str
    n: int
    sensors: dict[str, float]


class Copy(Event, topic="{app}-copies", key="line", type="bench.copy"):
    """What the pass-through publishes."""

    line: str
    n: int
    sensors: dict[str, float]


class Inspect(Proposal):
    """What is proposed."""

    line: str
    n: int


class PassThrough(Agent):
    """Publishes one typed event per event."""

    name = "passing"
    consumes = (Reading,)
    publishes = (Copy,)

    def on_event(self, event: Reading, ctx: Context) -> None:
        """Copy it."""
        ctx.publish(Copy(line=event.line, n=event.n, sensors=event.sensors))


class Asker(Agent):
    """Proposes for every event."""

    name = "asking"
    consumes = (LiveReading,)
    proposes = (Inspect,)

    def on_event(self, event: LiveReading, ctx: Context) -> None:
        """Ask."""
        ctx.propose(Inspect(line=event.line, n=event.n), confidence=0.5, reasons=("every reading is looked at",))


def passing() -> App:
    """The app of the pass-through."""
    return _app(PassThrough)


def asking() -> App:
    """The app whose latency is measured."""
    return _app(Asker)


def learning() -> App:
    """The app that learns; imports River."""
    from tests.benchmarks.learner import Learner

    return _app(Learner)


def growing() -> App:
    """The app whose model is expensive, with a shard for each of two workers; imports River."""
    from tests.benchmarks.learner import Grower

    return _app(Grower, partitions=2)


def _app(agent: type[Agent], partitions: int = 1) -> App:
    topics = [HERE / "topics"]
    return App("bench", [agent], policy=HERE / "policy.yaml", topics=topics, partitions=partitions)
