"""`rivergate replay`: would it decide so again?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

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
from rivergate.cli.replay_screen import replay_screen
from rivergate.cli.run import app_ref
from rivergate.cli.screen import screen
from rivergate.domain.errors import BadInput
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.commands import parse_shard

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def replay(
    reference: OptionalReference = None,
    action: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A proposal's id or its beginning; repeat it for more.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(metavar="ID", help="An event's id; repeat it for more.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="STAGE/N", help="A shard, as in agent-watcher/0.")] = None,
    first: Annotated[int | None, typer.Option("--from", min=0, metavar="SEQ", help="Its first commit.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, metavar="SEQ", help="Its last commit.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every shard of agents and gate.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Whether the present code decides as was recorded: --all, where nothing else is asked."
        ),
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what was read in a recording, for tests without a broker.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replay this recording instead of the log; needs MODULE:APP.")
    ] = None,
    snapshot_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With a recording that has snapshots: the app's keys/snapshots.pub."),
    ] = None,
    app: AppOption = None,
    partitions: PartitionsOption = None,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
    snapshots: SnapshotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide again from snapshot and journal, in a process of its own, and compare with what was recorded.

    Says identical with the digests, or the first difference field by field, with exit code 1.
    """
    if recording is not None:
        spec, ask = _of_recording(reference, recording, snapshot_key)
    else:
        ask = _question(action, event, shard, first, last, everything=everything, check=check)
        spec = place_of(reference, app, partitions, data_dir, bootstrap, snapshots)
    if save is not None:
        ask["save"] = str(save.absolute())
    with patient_progress(Console(stderr=True)) as tell:
        found = ask_own_process(spec, ask, tell)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        console = screen()
        console.print(replay_screen(found, console.width))
    if not found["identical"]:
        raise typer.Exit(1)


def _of_recording(reference: str | None, file: Path, key: Path | None) -> tuple[ProcessSpec, dict[str, Any]]:
    if reference is None:
        raise BadInput("whose recording is it?", where=str(file), remedy="name the app as MODULE:APP")
    ask = {"what": "replay", "recording": str(file), "snapshot_key": str(key) if key else None}
    return ProcessSpec("replay", "", "replay", app_ref(reference, None, None), "", "."), ask


def _question(
    actions: list[str] | None,
    events: list[str] | None,
    shard: str | None,
    first: int | None,
    last: int | None,
    *,
    everything: bool,
    check: bool,
) -> dict[str, Any]:
    if shard is None and (first is not None or last is not None):
        raise BadInput("--from and --to are a shard's", remedy="say which with --shard STAGE/N")
    asked = bool(actions or events or shard)
    if everything and asked:
        raise BadInput("--all leaves nothing to choose", remedy="drop it, or --action, --event and --shard")
    if not (asked or everything or check):
        raise BadInput("nothing to replay", remedy="give --action ID, --event ID, --shard STAGE/N, --check or --all")
    shards = [[*parse_shard(shard), first, last]] if shard else []
    return {
        "what": "replay",
        "actions": actions or [],
        "events": events or [],
        "shards": shards,
        "all": everything or (check and not asked),
    }
