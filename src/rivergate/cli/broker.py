"""`rivergate broker`: the local Apache Kafka alone, in the foreground."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.kafka.progress import Progress as Tell
from rivergate.runtime.paths import default_data_dir


def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 9092,
    data_dir: Annotated[
        Path | None, typer.Option(file_okay=False, help="Data directory; Kafka's part is the folder `kafka` in it.")
    ] = None,
    heap_mb: Annotated[int, typer.Option("--heap", min=256, help="Memory for Kafka's heap, in MB.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it runs as one line of JSON.")] = False,
) -> None:
    """Run a local Apache Kafka in the foreground until Ctrl-C. Its data stay in the data directory."""
    told_to_end = _ending_signals()
    kafka = LocalKafka(data_dir or default_data_dir("broker"), port, heap_mb=heap_mb)
    errors = Console(stderr=True)
    try:
        with starting_progress(errors) as tell:
            kafka.start(tell)
        _announce(kafka, as_json=as_json)
        while kafka.alive and not told_to_end.wait(0.5):
            pass
        if failure := kafka.why_ended():
            raise failure
    except KeyboardInterrupt:
        pass
    finally:
        with _ignoring_signals():
            kafka.stop()
    if not as_json:
        errors.print("Kafka has stopped; its data are kept.", style="dim")


@contextmanager
def starting_progress(console: Console) -> Iterator[Tell]:
    """Show a start's steps: a bar on a terminal that vanishes when it is done, else a line a step."""
    if not console.is_terminal:
        yield _line_a_step(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, done="")

        def tell(doing: str, share: float | None) -> None:
            known = share is not None
            done = f"{share:.0%}" if known else ""
            bar.update(task, description=doing, completed=share or 0.0, total=1.0 if known else None, done=done)

        yield tell


def _line_a_step(console: Console) -> Tell:
    last = ""

    def tell(doing: str, _share: float | None) -> None:
        nonlocal last
        if doing != last:
            last = doing
            console.print(doing, highlight=False)

    return tell


def _announce(kafka: LocalKafka, *, as_json: bool) -> None:
    if as_json:
        facts = {"bootstrap": kafka.bootstrap, "pid": kafka.pid, "data_dir": str(kafka.data_dir)}
        typer.echo(json.dumps({**facts, "log": str(kafka.log_file)}))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("address", f"[green]{kafka.bootstrap}[/]")
    table.add_row("data", Text(str(kafka.data_dir)))
    table.add_row("process", str(kafka.pid))
    table.add_row("log", Text(str(kafka.log_file)))
    console = Console()
    console.print("[bold]Apache Kafka is ready.[/] Ctrl-C ends it.", table, sep="\n", highlight=False)


def _ending_signals() -> threading.Event:
    """An event that SIGTERM and SIGHUP set; they end a start that is under way, as Ctrl-C does."""
    told = threading.Event()

    def end(_number: int, _frame: object) -> None:
        told.set()
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, end)
    return told


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """A second Ctrl-C must not cut the shutdown short: it takes seconds at most."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
