"""`make bench`: ours beside a bare exactly-once loop, alternating, on one Apache Kafka; writes benchmarks/results.json."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson
from rich.console import Console
from rich.table import Table
from tests.benchmarks import rows
from tests.benchmarks.running import ROOT, measured_core

from rivergate.runtime.kafka import LocalKafka

RESULTS = ROOT / "benchmarks" / "results.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. `goal` bounds `ratio`: from below for a rate, from above for a latency."""

    row: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    goal: float | None
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Measure:
    """A pair of runs and the figures taken from it: (name of the row, key, unit, goal)."""

    name: str
    run: Callable[..., rows.Figures]
    figures: tuple[tuple[str, str, str, float], ...]


MEASURES = (
    Measure("pass", rows.pass_through, (("pass-through", "events_per_s", "events/s", 0.80),)),
    Measure("river", rows.river, (("River LogisticRegression, everything on", "events_per_s", "events/s", 0.85),)),
    Measure(
        "latency",
        rows.latency,
        (
            ("event to committed action at 1k events/s, p50", "p50", "ms", 1.25),
            ("event to committed action at 1k events/s, p99", "p99", "ms", 1.25),
        ),
    ),
)


def main() -> int:
    """Run the measures and tell."""
    asked = _arguments()
    console = Console(stderr=True)
    core = measured_core()
    began = time.monotonic()
    found: list[Row] = []
    runs: dict[str, dict[str, list[rows.Figures]]] = {}
    with tempfile.TemporaryDirectory(prefix="rivergate-bench-") as folder, LocalKafka(Path(folder)) as kafka:
        make = rows.maker(kafka.bootstrap, Path(folder), core, asked.profile)
        rows.fill(make)
        for measure in MEASURES:
            if asked.only and measure.name not in asked.only:
                continue
            with console.status(f"{measure.name}: {asked.rounds} alternating runs of each"):
                runs[measure.name] = alternate(measure, make, asked.rounds)
            found += rows_of(measure, runs[measure.name])
    show(found)
    if not asked.only and not asked.profile:
        write(found, runs, time.monotonic() - began)
    elif asked.details:
        sys.stdout.write(orjson.dumps(runs, option=orjson.OPT_INDENT_2).decode() + "\n")
    return 0


def alternate(measure: Measure, make: rows.Make, rounds: int) -> dict[str, list[rows.Figures]]:
    """Ours and theirs in turn, the one that begins changing from round to round."""
    found: dict[str, list[rows.Figures]] = {"ours": [], "theirs": []}
    for n in range(rounds):
        for who in ("ours", "theirs") if n % 2 == 0 else ("theirs", "ours"):
            found[who].append(measure.run(make, ours=who == "ours"))
    return found


def rows_of(measure: Measure, runs: dict[str, list[rows.Figures]]) -> list[Row]:
    """Medians, their ratio, and whether the goal holds."""
    found = []
    for name, key, unit, goal in measure.figures:
        ours, theirs = (median(r[key] for r in runs[who]) for who in ("ours", "theirs"))
        ratio = ours / theirs
        holds = ratio >= goal if unit == "events/s" else ratio <= goal
        found.append(Row(name, round(ours, 1), round(theirs, 1), unit, round(ratio, 3), goal, holds))
    return found


def show(found: list[Row]) -> None:
    """The table."""
    table = Table()
    for name in ("row", "ours", "bare loop", "unit", "ratio", "goal", "holds"):
        table.add_column(name, justify="left" if name in {"row", "unit"} else "right")
    for r in found:
        bound = "≥" if r.unit == "events/s" else "≤"
        told = f"{bound} {r.goal}", "yes" if r.holds else "no"
        table.add_row(r.row, f"{r.ours:,.1f}", f"{r.theirs:,.1f}", r.unit, f"{r.ratio:.2f}", *told)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def write(found: list[Row], runs: dict[str, dict[str, list[rows.Figures]]], seconds: float) -> None:
    """`benchmarks/results.json`."""
    RESULTS.parent.mkdir(exist_ok=True)
    value = {
        "rows": [asdict(r) for r in found],
        "runs": runs,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "seconds": round(seconds),
    }
    RESULTS.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each (default 5)")
    parser.add_argument(
        "--only", action="append", choices=[m.name for m in MEASURES], help="these alone; nothing is written"
    )
    parser.add_argument(
        "--profile",
        default="",
        metavar="FILE",
        help="cProfile of the newest run into FILE and FILE.bare; nothing is written",
    )
    parser.add_argument("--details", action="store_true", help="with --only: print every run's figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
