"""Which app a command is about, its data directory, and its broker: as named, else as the directory tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rivergate.cli.run import app_ref
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.runtime.noted_app import noted_app
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.runtime.running import read_running
from rivergate.runtime.spec import AppRef, ProcessSpec

OptionalReference = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:APP", help="The app; if not given, the one that the data directory was last started with."
    ),
]
AppOption = Annotated[str | None, typer.Option("--app", help="The app's name.")]
PartitionsOption = Annotated[int | None, typer.Option("--partitions", min=1, help="The app's number of partitions.")]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", file_okay=False, help="The app's data directory: keys and snapshots.")
]
BootstrapOption = Annotated[
    str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka; the running app's, if not given.")
]
SnapshotsOption = Annotated[
    str | None, typer.Option("--snapshots", metavar="URL", help="Snapshot store, where it isn't in the data directory.")
]


def place_of(
    reference: str | None,
    app: str | None,
    partitions: int | None,
    data_dir: Path | None,
    bootstrap: str | None,
    snapshots: str | None = None,
) -> ProcessSpec:
    """What a process that replays is told. Raises `BadInput`, `ConfigError`."""
    folder = data_dir or (default_data_dir(app) if app else None)
    if folder is None and reference is None:
        folder = _the_only_folder()
    ref = _app(reference, app, partitions, folder)
    folder = folder or default_data_dir(ref.name)
    running = read_running(DataDir(folder).state_file)
    address = bootstrap or (running.bootstrap if running else None)
    if address is None:
        raise BadInput(
            f"app {ref.name} doesn't run on this data directory",
            where=str(folder),
            remedy=f"name its Kafka with --bootstrap HOST:PORT; a local one starts with `rivergate broker --data-dir {folder}`",
        )
    options: dict[str, Any] = {} if snapshots is None else {"snapshots": snapshots}
    return ProcessSpec("replay", "", "replay", ref, address, str(folder.absolute()), options=options)


def broker_of(app: str, data_dir: Path | None, bootstrap: str | None) -> str:
    """Address of the app's Kafka: as named, else the running app's. Raises `BadInput`."""
    running = read_running(DataDir(data_dir or default_data_dir(app)).state_file)
    where = bootstrap or (running.bootstrap if running else None)
    if where is None:
        raise BadInput(f"app {app} doesn't run on this data directory", remedy="give --bootstrap HOST:PORT")
    return where


def _app(reference: str | None, name: str | None, partitions: int | None, folder: Path | None) -> AppRef:
    noted = noted_app(DataDir(folder)) if folder else None
    if reference is not None:
        known = noted if noted is not None and noted.reference == reference else None
        return app_ref(
            reference, name or (known.name if known else None), partitions or (known.partitions if known else None)
        )
    if noted is None:
        raise ConfigError(
            "no app has been started on this data directory", where=str(folder), remedy="name the app as MODULE:APP"
        )
    return AppRef(noted.reference, name or noted.name, partitions or noted.partitions, noted.environment)


def _the_only_folder() -> Path:
    base = default_data_dir("app").parent
    found = sorted(p.parent for p in (*base.glob("*/app.json"), *Path(".rivergate").glob("**/app.json")))
    if len(found) == 1:
        return found[0]
    what = f"several apps have data here: {', '.join(p.name for p in found)}" if found else "no app has data here"
    raise BadInput(what, where=str(base), remedy="say which with --app NAME or --data-dir FOLDER")
