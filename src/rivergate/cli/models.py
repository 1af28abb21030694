"""`rivergate models import|list|show`: models that agents of an app may begin with, each vouched for by a person."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rivergate.audit.wording import moment, short
from rivergate.cli.app_place import SnapshotsOption
from rivergate.domain.errors import BadInput
from rivergate.kernel.models import ImportedModel
from rivergate.runtime.importing import OtherSnapshot, Place, app_of_snapshot, import_file, import_snapshot
from rivergate.runtime.keys import SNAPSHOTS
from rivergate.runtime.paths import DataDir, default_data_dir

models = typer.Typer(no_args_is_help=True, help="Models that were learnt elsewhere, for new agents to begin with.")

AppOption = Annotated[str, typer.Option("--app", help="The app that they are for.")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", file_okay=False, help="That app's data directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@models.command("import")
def import_(
    app: AppOption,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it can be trusted, for whoever asks later.")],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A model that `pickle.dump` wrote.")] = None,
    from_snapshot: Annotated[
        str | None,
        typer.Option(
            metavar="APP/STAGE/SHARD[@SEQ]", help="Instead of a file: what an agent of another app has learnt by then."
        ),
    ] = None,
    attribute: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of that agent, this attribute alone.", show_default="all of them"),
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="That app's snapshot store.", show_default="in its data directory")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="That app's keys/snapshots.pub.", show_default="in its data directory"),
    ] = None,
    who: Annotated[
        str | None, typer.Option("--who", help="Who vouches for it.", show_default="your login name")
    ] = None,
    data_dir: DataDirOption = None,
    snapshots: SnapshotsOption = None,
    as_json: AsJson = False,
) -> None:
    """Vouch for a model: try it in a process of its own, sign it, and keep it for `run --model`. Pickles are programs:
    import what you would run.
    """
    if (file is None) == (from_snapshot is None):
        raise BadInput("what is to be imported?", remedy="give either a FILE or --from-snapshot APP/STAGE/SHARD")
    if file is not None and (attribute, store, key) != (None, None, None):
        raise BadInput("--attribute, --store and --key go with --from-snapshot", remedy="leave them out for a file")
    who, why = (who or getpass.getuser()).strip(), why.strip()
    if not who or not why:
        raise BadInput("an import says who and why", remedy='write --why "REASON"')
    place = _place(app, data_dir, snapshots)
    if file is not None:
        found = import_file(place, file, who, why)
    else:
        assert from_snapshot is not None  # noqa: S101 - for the type checker
        other = DataDir(default_data_dir(app_of_snapshot(from_snapshot)))
        public = key or other.keys / f"{SNAPSHOTS}.pub"
        found = import_snapshot(
            place, OtherSnapshot(from_snapshot, store or other.snapshots, public, attribute), who, why
        )
    if as_json:
        typer.echo(json.dumps(_as_dict(found)))
        return
    _print(found)
    Console(highlight=False).print(
        f"start a new agent with it: [bold]rivergate run … --model AGENT={found.digest[:12]}[/]"
    )


@models.command("list")
def list_models(
    app: AppOption, data_dir: DataDirOption = None, snapshots: SnapshotsOption = None, as_json: AsJson = False
) -> None:
    """List the app's models, the newest first, and those that don't hold."""
    store = _place(app, data_dir, snapshots).store()
    found: list[ImportedModel] = []
    broken: list[BadInput] = []
    for digest in store.digests():
        try:
            found.append(store.get(digest))
        except BadInput as e:
            broken.append(e)
    found.sort(key=lambda m: m.note.at, reverse=True)
    if as_json:
        typer.echo(json.dumps([_as_dict(m) for m in found]))
    else:
        Console(highlight=False).print(_table(found))
    for problem in broken:
        Console(stderr=True, highlight=False).print(f"[yellow]{escape(str(problem))}[/]")


@models.command()
def show(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As `list` shows it, or its first digits.")],
    app: AppOption,
    data_dir: DataDirOption = None,
    snapshots: SnapshotsOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what is said of a model: what it is, where it came from, who vouches for it and why. It isn't loaded."""
    store = _place(app, data_dir, snapshots).store()
    found = store.get(store.find(digest))
    if as_json:
        typer.echo(json.dumps(_as_dict(found)))
    else:
        _print(found)


def _place(app: str, data_dir: Path | None, snapshots: str | None) -> Place:
    return Place(app, DataDir(data_dir or default_data_dir(app)), snapshots)


def _as_dict(model: ImportedModel) -> dict[str, Any]:
    return {"digest": model.digest, "bytes": len(model.content), **asdict(model.note)}


def _table(found: Sequence[ImportedModel]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("digest", "imported", "by", "from", "why"):
        table.add_column(column)
    for m in found:
        source = m.note.source.get("snapshot") or m.note.source.get("file", "")
        table.add_row(short(m.digest), moment(m.note.at), *map(escape, (m.note.who, source, m.note.why)))
    return table


def _print(model: ImportedModel) -> None:
    note = model.note
    table = Table.grid(padding=(0, 2))
    [(kind, name)] = [(k, v) for k, v in note.source.items() if k != "sha256"]
    rows = {
        "model": model.digest,
        "is": note.make,
        "bytes": f"{len(model.content):,}",
        "from": f"{kind} {name}, sha256 {note.source['sha256']}",
        "imported": f"{moment(note.at)} by {note.who}",
        "why": note.why,
        "versions": ", ".join(f"{k} {v}" for k, v in sorted(note.versions.items()) if v),
    }
    for name, text in rows.items():
        table.add_row(f"[dim]{name}[/]", escape(text))
    Console(highlight=False, soft_wrap=True).print(table)
