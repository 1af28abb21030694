"""What is played to the demo, in which order: readings, and their truth some readings later. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from rivergate.demos.shuttle.fleet import fleet

SOURCE = "/demo/shuttle"
DELAY = (40, 160)
"""A truth comes this many readings after its own: fewest and most."""
UNTOLD = 0.1
"""Share of readings whose truth nobody measures: only a person's decision may tell it."""
GARBLED = 0.001
"""Share of readings that a faulty gateway sends with a text for a number."""
TRACED = 0.1
"""Share of readings that bring a trace context of their own."""


class Telling(NamedTuple):
    """A reading as it goes onto the topic. `number` counts from 0; `truth` is None where nobody will tell."""

    number: int
    machine: str
    value: dict[str, Any]
    truth: bool | None
    traced: bool


class Truth(NamedTuple):
    """The label of an earlier reading."""

    number: int
    machine: str
    value: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Deterministic for a seed: the same numbers give the same readings, machines, delays and faults."""

    seed: int
    partitions: int
    start: int = 0
    count: int = 0
    """Readings from `start` on; 0 for endless (the telemetry begins again at its end)."""

    def steps(self, telemetry: Iterable[tuple[dict[str, Any], Any]]) -> Iterator[Telling | Truth]:
        """Readings in order with each truth among them when it is due; what is left comes at the end."""
        machines = fleet(self.partitions)
        waiting: list[tuple[int, Truth]] = []
        rows = itertools.islice(itertools.cycle(telemetry), self.start, self.start + self.count if self.count else None)
        for number, (sensors, anomalous) in enumerate(rows, self.start):
            while waiting and waiting[0][0] <= number:
                yield heapq.heappop(waiting)[1]
            draw = Random(f"{self.seed}/{number}")
            telling = _telling(number, draw, machines, sensors, truth=bool(anomalous))
            yield telling
            if telling.truth is not None:
                due = number + draw.randint(*DELAY)
                heapq.heappush(waiting, (due, Truth(number, telling.machine, telling.truth)))
        while waiting:
            yield heapq.heappop(waiting)[1]


def _telling(number: int, draw: Random, machines: list[str], sensors: dict[str, Any], *, truth: bool) -> Telling:
    machine = draw.choice(machines)
    readings: dict[str, Any] = dict(sensors)
    garbled = draw.random() < GARBLED
    untold = draw.random() < UNTOLD
    if garbled:
        readings[draw.choice(sorted(readings))] = "E-42"
    value = {"machine": machine, "sensors": readings}
    return Telling(number, machine, value, None if garbled or untold else truth, draw.random() < TRACED)


def reading_id(number: int) -> str:
    """`ce_id` of a reading."""
    return f"reading-{number}"


def event_id(number: int) -> str:
    """The event id that rivergate gives the reading."""
    return f"{SOURCE}#{reading_id(number)}"
