"""`rivergate demo`: complete applications on real data."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from rivergate.cli.broker import starting_progress
from rivergate.cli.run import AppName, DataDirOption, HostName, HostOption, Otlp, Partitions, ReviewPort
from rivergate.domain.errors import BadInput
from rivergate.runtime.paths import default_data_dir
from rivergate.runtime.session import RunOptions, running
from rivergate.runtime.spec import AppRef

if TYPE_CHECKING:
    from rivergate.demos.shuttle.play import Script
    from rivergate.demos.shuttle.report import Report

demo = typer.Typer(no_args_is_help=True, help="Complete applications on real data.")

LIVE_RATE = 300.0
FAST_RATE = 1000.0
ENOUGH = 5000
AHEAD = 400


@demo.callback()
def _group() -> None:
    """Complete applications on real data."""


@demo.command()
def shuttle(
    events: Annotated[
        int | None, typer.Option(min=0, help="Readings to play; 0 for endless.", show_default="0, with --exit 5000")
    ] = None,
    leave: Annotated[
        bool, typer.Option("--exit", help="Answer the reviews by a script, end when all has settled, and report.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object (goes with --exit).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Chooses machines, delays and faults.")] = 0,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Readings a second; 0 for as fast as it goes.", show_default="300, with --exit 1000"),
    ] = None,
    app: AppName = None,
    partitions: Partitions = None,
    data_dir: DataDirOption = None,
    bootstrap: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka to use instead of its own.")] = None,
    host: HostOption = HostName.RAY,
    review_port: ReviewPort = 0,
    otlp: Otlp = None,
) -> None:
    """Machines send telemetry, an agent learns to spot trouble, a policy and people decide what may be done."""
    if as_json and not leave:
        raise BadInput("--json without --exit has nothing to print", remedy="add --exit, or drop --json")
    if leave and events == 0:
        raise BadInput("endless readings never exit", remedy="give --events a number, or drop --exit")
    from rivergate.demos.shuttle.app import REFERENCE
    from rivergate.demos.shuttle.play import Script
    from rivergate.demos.shuttle.reviewer import NAME

    ref = AppRef(REFERENCE, app or "shuttle", partitions or 4)
    if leave:
        script = Script(events or ENOUGH, FAST_RATE if rate is None else rate, seed, AHEAD)
    else:
        script = Script(events or 0, LIVE_RATE if rate is None else rate, seed)
    with _folder(ref.name, data_dir, bootstrap, keep=not leave) as folder:
        extra = {"reviewer_name": NAME} if leave else {}
        options = RunOptions(ref, folder, bootstrap, host, otlp=otlp, review_port=review_port, extra=extra)
        if not leave:
            _live(options, script)
            return
        found = _to_the_end(options, script)
    _print(found, as_json=as_json)
    if found.problems:
        raise typer.Exit(1)


@contextlib.contextmanager
def _folder(app: str, data_dir: Path | None, bootstrap: str | None, *, keep: bool) -> Iterator[Path]:
    """The data directory that is named, else the app's usual one, else one for this run alone."""
    if data_dir is not None or bootstrap is not None or keep:
        yield data_dir or default_data_dir(app)
        return
    with tempfile.TemporaryDirectory(prefix="rivergate-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _to_the_end(options: RunOptions, script: Script) -> Report:
    from rivergate.demos.shuttle.play import play_to_the_end

    began = time.monotonic()
    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with starting_progress(console) as tell, running(options, tell) as session:
        return play_to_the_end(session, script, tell, began)


def _live(options: RunOptions, script: Script) -> None:
    from rivergate.demos.shuttle.live import show_live
    from rivergate.demos.shuttle.play import first_number, start_feeder

    console = Console()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C does, it ends a start that is under way
    with contextlib.ExitStack() as stack:
        with starting_progress(console) as tell:
            session = stack.enter_context(running(options, tell))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        feeder = start_feeder(session, script, first_number(session))
        stack.callback(feeder.stop)
        show_live(session, feeder, console, ended)
        console.print("draining …", style="dim")


def _print(found: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(found.as_json()).decode() + "\n")
        return
    table = Table("what", "figure", title="Shuttle demo", show_header=False)
    for name, value in found.as_json().items():
        if name not in {"losses", "doubles", "problems"}:
            table.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    for problem in found.problems:
        console.print(problem, style="bold red", markup=False)
    if not found.problems:
        console.print("everything holds", style="green")
