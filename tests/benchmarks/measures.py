"""The table of measures: who runs for each, and which of their figures make a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

from tests.benchmarks import growing, rows
from tests.benchmarks.peers import FAUST, QUIX, Unavailable
from tests.benchmarks.rows import BARE, OURS, Figures, Make

MB_LIMIT = 150.0
ALONE = "one worker"
RATE = "events_per_s"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. `goal` bounds `ratio`: from below for a rate, from above for milliseconds and MB; a row
    without one is told for comparison alone.
    """

    row: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    goal: float | None
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that couldn't be measured here."""

    row: str
    because: str


@dataclass(frozen=True, slots=True)
class Figure:
    """How a row is made of runs: the figure `key` of ours beside that of `of`, or its figure `their_key`, or a limit."""

    row: str
    key: str
    unit: str
    goal: float | None
    of: str = BARE
    their_key: str = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """Runs that alternate, by who runs, and the rows made of them. Long ones aren't run more often than `at_most`."""

    name: str
    run: Mapping[str, Callable[[Make], Figures]]
    figures: tuple[Figure, ...]
    at_most: int | None = None


def _who(run: Callable[[Make, str], Figures], *who: str) -> dict[str, Callable[[Make], Figures]]:
    return {w: partial(run, who=w) for w in who}


MEASURES = (
    Measure(
        "pass",
        _who(rows.pass_through, OURS, BARE, QUIX, FAUST),
        (
            Figure("pass-through", RATE, "events/s", 0.80),
            Figure("pass-through, beside Quix Streams exactly-once", RATE, "events/s", 1.15, QUIX),
            Figure("pass-through, beside Faust at-least-once", RATE, "events/s", 15.0, FAUST),
        ),
    ),
    Measure(
        "river",
        _who(rows.river, OURS, BARE, QUIX),
        (
            Figure("River LogisticRegression, everything on", RATE, "events/s", 0.85),
            Figure("River, beside Quix Streams exactly-once", RATE, "events/s", 1.10, QUIX),
            Figure("River, replayed from nothing, beside live", "replayed_per_s", "events/s", 1.5, OURS, RATE),
        ),
    ),
    Measure(
        "latency",
        _who(rows.latency, OURS, BARE),
        (
            Figure("event to committed action at 1k events/s, p50", "p50", "ms", 1.25),
            Figure("event to committed action at 1k events/s, p99", "p99", "ms", 1.25),
        ),
    ),
    Measure(
        "workers",
        {OURS: partial(growing.workers, count=2), ALONE: partial(growing.workers, count=1), BARE: growing.bare},
        (
            Figure("HoeffdingAdaptiveTree, 2 workers beside 1", RATE, "events/s", 1.7, ALONE),
            Figure("memory of a worker with one such shard, beside its limit", "uss_mb", "MB", 1.0, limit=MB_LIMIT),
            Figure("memory of a worker with one such shard, beside a bare loop", "uss_mb", "MB", None),
        ),
        at_most=3,
    ),
)


@dataclass(slots=True)
class Runs:
    """What the runs of a measure gave, and why somebody's are missing."""

    found: dict[str, list[Figures]]
    missing: dict[str, str]


def alternate(measure: Measure, make: Make, rounds: int) -> Runs:
    """Everybody in turn, the one that begins changing from round to round."""
    runs = Runs({who: [] for who in measure.run}, {})
    order = list(measure.run)
    for n in range(min(rounds, measure.at_most or rounds)):
        for who in order[n % len(order) :] + order[: n % len(order)]:
            if who in runs.missing:
                continue
            try:
                runs.found[who].append(measure.run[who](make))
            except Unavailable as e:
                runs.missing[who] = str(e)
    return runs


def rows_of(measure: Measure, runs: Runs) -> list[Row | Missing]:
    """Medians, their ratio, and whether the goal holds."""
    return [
        Missing(f.row, runs.missing[f.of]) if f.of in runs.missing else _row(f, runs.found) for f in measure.figures
    ]


def _row(f: Figure, found: Mapping[str, list[Figures]]) -> Row:
    ours = median(r[f.key] for r in found[OURS])
    theirs = f.limit or median(r[f.their_key or f.key] for r in found[f.of])
    ratio = ours / theirs
    holds = None if f.goal is None else ratio >= f.goal if is_rate(f.unit) else ratio <= f.goal
    return Row(f.row, round(ours, 1), round(theirs, 1), f.unit, round(ratio, 3), f.goal, holds)


def is_rate(unit: str) -> bool:
    """Whether more is better."""
    return unit == "events/s"
