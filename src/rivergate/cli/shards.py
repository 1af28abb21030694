"""`rivergate shards list|resume`: what every shard is doing, and starting a parked one again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rivergate.adapters.kafka_status import ShardStatus, read_statuses
from rivergate.domain.errors import BadInput
from rivergate.runtime.commands import ask_to_resume, parse_shard
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.runtime.running import Running, read_running

shards = typer.Typer(no_args_is_help=True, help="What every shard is doing; starting a parked one again.")

AppOption = Annotated[str, typer.Option("--app", help="The app's name.")]
DataDirOption = Annotated[Path | None, typer.Option(file_okay=False, help="The app's data directory.")]

_STYLES = {"running": "green", "starting": "yellow", "parked": "bold red", "fenced": "magenta", "stopped": "dim"}


@shards.command("list")
def list_shards(
    app: AppOption,
    data_dir: DataDirOption = None,
    bootstrap: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka, where nothing runs here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every shard: its worker, its state, and why a parked one is parked."""
    found = _running(app, data_dir)
    where = bootstrap or (found.bootstrap if found else None)
    if where is None:
        raise BadInput(f"app {app} doesn't run on this data directory", remedy="give --bootstrap HOST:PORT")
    statuses = sorted(read_statuses(where, app).values(), key=lambda s: (s.stage, s.shard))
    if as_json:
        typer.echo(json.dumps([asdict(s) for s in statuses]))
        return
    Console().print(_table(statuses))


@shards.command()
def resume(
    shard: Annotated[str, typer.Argument(metavar="STAGE/SHARD", help="As in agent-watcher/0.")],
    app: AppOption,
    data_dir: DataDirOption = None,
) -> None:
    """Start a parked shard again, once what it complained of has been mended."""
    stage, number = parse_shard(shard)
    if _running(app, data_dir) is None:
        raise BadInput(f"app {app} doesn't run on this data directory", remedy="start it with `rivergate run`")
    ask_to_resume(DataDir(data_dir or default_data_dir(app)), stage, number)
    typer.echo(f"{shard} starts again")


def _running(app: str, data_dir: Path | None) -> Running | None:
    return read_running(DataDir(data_dir or default_data_dir(app)).state_file)


def _table(statuses: list[ShardStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("shard", "state", "worker", "since", "why"):
        table.add_column(column)
    for s in statuses:
        state = f"[{_STYLES.get(s.state, '')}]{s.state}[/]" if s.state in _STYLES else s.state
        table.add_row(f"{s.stage}/{s.shard}", state, s.worker, s.at[:19].replace("T", " "), s.reason)
    return table
