"""`rivergate state`: what an agent knew then, and what it would have said."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from rivergate.cli.app_place import (
    AppOption,
    BootstrapOption,
    DataDirOption,
    OptionalReference,
    PartitionsOption,
    SnapshotsOption,
    place_of,
)
from rivergate.cli.patience import patient_progress
from rivergate.cli.screen import screen
from rivergate.cli.state_screen import state_screen
from rivergate.runtime.replay.own_process import ask_own_process


def state(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    reference: OptionalReference = None,
    shard: Annotated[int | None, typer.Option(min=0, help="Its shard; not needed with an action.")] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="SEQ|TIME|ACTION",
            help="After this commit, at this time (RFC 3339), or when it read what made it propose this.",
            show_default="now",
        ),
    ] = "",
    predict: Annotated[
        str | None, typer.Option(metavar="'{…}'", help="An event's fields: what would the agent have done about it?")
    ] = None,
    event_class: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Which event that is, where the agent consumes several.")
    ] = None,
    app: AppOption = None,
    partitions: PartitionsOption = None,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
    snapshots: SnapshotsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a shard's state as it was: its models, their figures, what it remembered. Nothing is written anywhere."""
    spec = place_of(reference, app, partitions, data_dir, bootstrap, snapshots)
    ask = {
        "what": "state",
        "agent": agent,
        "shard": shard,
        "at": at,
        "predict": predict,
        "event_class": event_class,
    }
    with patient_progress(Console(stderr=True)) as tell:
        found = ask_own_process(spec, ask, tell)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    console = screen()
    console.print(state_screen(found, console.width))
