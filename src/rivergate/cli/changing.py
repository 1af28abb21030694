"""`rivergate scale` and `rivergate restart`: a running app gets more workers, fewer, or new ones."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rivergate.cli.patience import patient_progress
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.runtime.noted_app import noted_app
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.runtime.running import demand_running, running_now
from rivergate.runtime.supervision.changes import Answer, Change, ask, wait_for_answer

AppOption = Annotated[str, typer.Option("--app", help="The app's name.")]
DataDirOption = Annotated[Path | None, typer.Option(file_okay=False, help="The app's data directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def scale(
    wanted: Annotated[str, typer.Argument(metavar="STAGE=N", help="As in agent-watcher=3.")],
    app: AppOption,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spread the shards of an agent or graph of a running app over N worker processes; nothing else pauses."""
    stage, _, number = wanted.partition("=")
    if not stage or not number.isdigit():
        raise BadInput(f"{wanted!r} doesn't say what to scale", remedy="write STAGE=N, as in agent-watcher=3")
    answer = _change(Change((stage,), int(number)), app, data_dir)
    _show(answer, f"{stage} runs in {number} {'process' if number == '1' else 'processes'}", as_json=as_json)


def restart(
    app: AppOption,
    stages: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="All, if none is named.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the worker processes of a running app one after another: with the code that is on disk now.

    Variables that the app declares take the values that they have here and now, where they have one.
    """
    noted = noted_app(DataDir(data_dir or default_data_dir(app)))
    declared = noted.environment if noted else ()
    environment = {name: os.environ[name] for name in declared if name in os.environ}
    answer = _change(Change(tuple(stages or ()), environment=environment), app, data_dir)
    _show(answer, f"{', '.join(stages) if stages else app} runs in new processes", as_json=as_json)


def _change(change: Change, app: str, data_dir: Path | None) -> Answer:
    data = DataDir(data_dir or default_data_dir(app))
    found = demand_running(data, app)

    def demand_alive() -> None:
        now = running_now(data)
        if now is None or now.pid != found.pid:
            raise RivergateError(
                "the app ended before this was done", remedy="look into supervisor.log; once it runs again, ask again"
            )

    with patient_progress(Console(stderr=True)) as tell:
        return wait_for_answer(data, ask(data, change), lambda what: tell(what, None), demand_alive)


def _show(answer: Answer, sentence: str, *, as_json: bool) -> None:
    if as_json:
        told = asdict(answer)
        typer.echo(json.dumps({name: told[name] for name in ("moved", "started", "ended")}))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("shard", "from", "to", "state"):
        table.add_column(column)
    table.add_column("paused", justify="right")
    for m in answer.moved:
        table.add_row(m["shard"], _slot(m["before"]), _slot(m["after"]), m["state"], f"{m['paused_s']:.2f} s")
    console = Console()
    if answer.moved:
        console.print(table)
    console.print(f"{sentence}; {_shards(len(answer.moved))} moved", highlight=False)


def _slot(worker: str) -> str:
    """An incarnation without the part that tells it from the ones before and after."""
    return worker.rpartition("-")[0]


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count or 'no'} shards"
