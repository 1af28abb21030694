"""`rivergate shards list|park|resume`: what every shard is doing, stopping one on purpose, and starting it again."""

from __future__ import annotations

import getpass
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rivergate.adapters.kafka_status import ShardStatus, StatusFollower, read_statuses
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.cli.app_place import broker_of
from rivergate.cli.screen import screen
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.runtime.running import demand_running, running_now
from rivergate.runtime.supervision import commands
from rivergate.runtime.supervision.commands import parse_shard
from rivergate.topics.near import did_you_mean

shards = typer.Typer(no_args_is_help=True, help="What every shard is doing; stopping one and starting it again.")

AppOption = Annotated[str, typer.Option("--app", help="The app's name.")]
DataDirOption = Annotated[Path | None, typer.Option(file_okay=False, help="The app's data directory.")]

ShardArgument = Annotated[str, typer.Argument(metavar="STAGE/SHARD", help="As in agent-watcher/0.")]

PARKED_S = 30.0
"""How long `park` waits for a shard to drain."""

_STYLES = {"running": "green", "starting": "yellow", "parked": "bold red", "fenced": "magenta", "stopped": "dim"}


@shards.command("list")
def list_shards(
    app: AppOption,
    data_dir: DataDirOption = None,
    bootstrap: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka, where nothing runs here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every shard: its worker, its state, and why a parked one is parked."""
    where = broker_of(app, data_dir, bootstrap)
    statuses = sorted(read_statuses(where, app).values(), key=lambda s: (s.stage, s.shard))
    if as_json:
        typer.echo(json.dumps([asdict(s) for s in statuses]))
        return
    screen().print(_table(statuses))


@shards.command()
def park(
    shard: ShardArgument,
    app: AppOption,
    data_dir: DataDirOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever sees it parked.")] = "",
) -> None:
    """Stop a shard on purpose: it drains and stays parked, over restarts of the app too, until it is resumed."""
    stage, number = parse_shard(shard)
    data = _data_of(app, data_dir)
    bootstrap = demand_running(data, app).bootstrap
    _status_of(shard, bootstrap, app)
    why = f"parked by {getpass.getuser()} at {rfc3339(time.time_ns() // 1000)}: {reason or 'no reason given'}"
    commands.park(data, stage, number, f"{why}\n→ `rivergate shards resume {shard} --app {app}` starts it again")
    if not _waited(bootstrap, app, (stage, number), why):
        raise RivergateError(
            f"{shard} hasn't drained within {PARKED_S:.0f} s",
            where=str(data.logs),
            remedy="`rivergate shards list` shows when it has; resume it to take the order back",
        )
    typer.echo(f"{shard} is parked")


@shards.command()
def resume(shard: ShardArgument, app: AppOption, data_dir: DataDirOption = None) -> None:
    """Start a parked shard again: one parked on purpose, or one whose complaint has been mended."""
    stage, number = parse_shard(shard)
    data = _data_of(app, data_dir)
    if commands.unpark(data, stage, number):
        typer.echo(f"{shard} starts again" + ("" if running_now(data) else " with the app"))
        return
    found = _status_of(shard, demand_running(data, app).bootstrap, app)
    if found.state != "parked":
        raise BadInput(f"{shard} isn't parked: it is {found.state}", remedy="`rivergate shards list` shows which are")
    commands.ask_to_resume(data, stage, number)
    typer.echo(f"{shard} starts again")


def _status_of(shard: str, bootstrap: str, app: str) -> ShardStatus:
    """The newest report of a shard of the app that runs there. Raises `BadInput` where there is no such shard."""
    known = {f"{stage}/{n}": status for (stage, n), status in read_statuses(bootstrap, app).items()}
    if shard not in known:
        raise BadInput(
            f"app {app} has no shard {shard}", remedy=did_you_mean(shard, sorted(known), "`rivergate shards list`")
        )
    return known[shard]


def _waited(bootstrap: str, app: str, shard: tuple[str, int], why: str) -> bool:
    """Wait until the shard reports that it is parked for this reason; False if that takes too long."""
    tail = KafkaTail(bootstrap, f"{app}.park")
    try:
        follower = StatusFollower(tail, app)
        deadline = time.monotonic() + PARKED_S
        while time.monotonic() < deadline:
            status = follower.read().get(shard)
            if status is not None and status.state == "parked" and status.reason.startswith(why):
                return True
        return False
    finally:
        tail.close()


def _data_of(app: str, data_dir: Path | None) -> DataDir:
    return DataDir(data_dir or default_data_dir(app))


def _table(statuses: list[ShardStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("shard", "state", "worker", "since", "why"):
        table.add_column(column)
    for s in statuses:
        state = Text(s.state, _STYLES.get(s.state, ""))
        table.add_row(f"{s.stage}/{s.shard}", state, s.worker, s.at[:19].replace("T", " "), s.reason)
    return table
