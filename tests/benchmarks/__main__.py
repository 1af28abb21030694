"""`make bench`: ours beside its peers, alternating, on one Apache Kafka; writes benchmarks/results.json."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from tests.benchmarks import rows
from tests.benchmarks.measures import MEASURES, Missing, Row, Runs, alternate, is_rate, rows_of
from tests.benchmarks.running import ROOT, measured_core

from rivergate.runtime.kafka import LocalKafka

RESULTS = ROOT / "benchmarks" / "results.json"


def main() -> int:
    """Run the measures and tell."""
    asked = _arguments()
    console = Console(stderr=True)
    core = measured_core()
    began = time.monotonic()
    found: list[Row | Missing] = []
    runs: dict[str, Runs] = {}
    with tempfile.TemporaryDirectory(prefix="rivergate-bench-") as folder, LocalKafka(Path(folder)) as kafka:
        make = rows.maker(kafka.bootstrap, Path(folder), core, asked.profile)
        rows.fill(make)
        for measure in MEASURES:
            if asked.only and measure.name not in asked.only:
                continue
            with console.status(f"{measure.name}: alternating runs of {', '.join(measure.run)}"):
                runs[measure.name] = alternate(measure, make, asked.rounds)
            found += rows_of(measure, runs[measure.name])
    show(found)
    if not asked.only and not asked.profile:
        write(found, runs, time.monotonic() - began)
    elif asked.details:
        sys.stdout.write(orjson.dumps(_figures(runs), option=orjson.OPT_INDENT_2).decode() + "\n")
    return 0


def show(found: list[Row | Missing]) -> None:
    """The table."""
    table = Table()
    for name in ("row", "ours", "theirs", "unit", "ratio", "goal", "holds"):
        table.add_column(name, justify="left" if name in {"row", "unit"} else "right")
    for r in found:
        if isinstance(r, Missing):
            table.add_row(r.row, "missing")
            continue
        goal = "" if r.goal is None else f"{'≥' if is_rate(r.unit) else '≤'} {r.goal}"
        holds = {True: "yes", False: "no", None: ""}[r.holds]
        table.add_row(r.row, f"{r.ours:,.1f}", f"{r.theirs:,.1f}", r.unit, f"{r.ratio:.2f}", goal, holds)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for r in found:
        if isinstance(r, Missing):
            console.print(f"missing: {r.row}: {r.because}")


def write(found: list[Row | Missing], runs: dict[str, Runs], seconds: float) -> None:
    """`benchmarks/results.json`."""
    RESULTS.parent.mkdir(exist_ok=True)
    value = {
        "rows": [asdict(r) for r in found if isinstance(r, Row)],
        "missing": [asdict(r) for r in found if isinstance(r, Missing)],
        "runs": _figures(runs),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "seconds": round(seconds),
    }
    RESULTS.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _figures(runs: dict[str, Runs]) -> dict[str, dict[str, list[rows.Figures]]]:
    return {name: r.found for name, r in runs.items()}


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
        help="cProfile of the newest run into FILE, FILE.bare and FILE.replay; nothing is written",
    )
    parser.add_argument("--details", action="store_true", help="with --only: print every run's figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
