"""`rivergate run` and `rivergate up`: an app in the foreground until Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rivergate.cli.broker import starting_progress
from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.errors import BadInput
from rivergate.kernel.catching_up import BEGINNING
from rivergate.runtime.app import App, load_app
from rivergate.runtime.importing import Place
from rivergate.runtime.limits import parse_limits
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef


class HostName(StrEnum):
    """Where agents live."""

    RAY = "ray"
    LOCAL = "local"


Reference = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The app, as in `fleet.app:app`.")]
AppName = Annotated[str | None, typer.Option("--app", help="Run it under another name (topics begin with it).")]
Partitions = Annotated[int | None, typer.Option(min=1, help="Partitions of inputs and system topics.")]
DataDirOption = Annotated[Path | None, typer.Option(file_okay=False, help="Keys, snapshots, views, logs.")]
Snapshots = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Keep snapshots and models there.",
        show_default="in the data directory, which notes another place",
    ),
]
HostOption = Annotated[HostName, typer.Option("--host", help="Agents as Ray actors, or as processes.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes for each agent; its shards are spread over them.", show_default="as last scaled, else 1"
    ),
]
Spares = Annotated[int, typer.Option(min=0, help="Processes for each stage that wait to take over from a dead one.")]
ReviewPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of the review page; 0 takes a free one.")]
Otlp = Annotated[str | None, typer.Option(help="Forward spans to this OTLP/HTTP endpoint, e.g. http://127.0.0.1:4318.")]
Bootstrap = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka to use.")]
AcceptNewCode = Annotated[
    str | None,
    typer.Option(metavar="WHO:WHY", help="Let changed code go on from the newest snapshot; it is journalled."),
]

From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="AGENT=beginning|TIME",
        help="Let a new agent learn from history first, muted until it has caught up (repeat it for more).",
    ),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="AGENT=DIGEST",
        help="Let a new agent begin with a model that `rivergate models import` has signed (repeat it for more).",
    ),
]

Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="NAME=NUMBER", help="How much may wait at a hop, or be read at once (repeat it for more)."
    ),
]


def run(
    reference: Reference,
    bootstrap: Annotated[str, typer.Option(metavar="HOST:PORT", help="Kafka to use.")],
    app: AppName = None,
    partitions: Partitions = None,
    data_dir: DataDirOption = None,
    snapshots: Snapshots = None,
    host: HostOption = HostName.RAY,
    workers: Workers = None,
    spares: Spares = 1,
    stage: Annotated[list[str] | None, typer.Option(help="Run these stages alone (repeat it for more).")] = None,
    review_port: ReviewPort = 8300,
    otlp: Otlp = None,
    accept_new_code: AcceptNewCode = None,
    begin: From = None,
    model: ModelOption = None,
    limit: Limit = None,
) -> None:
    """Run an app on a given Kafka until Ctrl-C: agents, gate, effects, review service, audit."""
    asked = options_of(reference, app, partitions, data_dir, snapshots, accept_new_code, begin, model, limit)
    in_foreground(
        replace(
            asked,
            bootstrap=bootstrap,
            host=host,
            workers=workers,
            spares=spares,
            stages=tuple(stage or ()),
            otlp=otlp,
            review_port=review_port,
        )
    )


def up(
    reference: Reference,
    app: AppName = None,
    partitions: Partitions = None,
    data_dir: DataDirOption = None,
    snapshots: Snapshots = None,
    host: HostOption = HostName.RAY,
    workers: Workers = None,
    spares: Spares = 1,
    review_port: ReviewPort = 8300,
    otlp: Otlp = None,
    accept_new_code: AcceptNewCode = None,
    begin: From = None,
    model: ModelOption = None,
    limit: Limit = None,
) -> None:
    """Run an app with a local Apache Kafka of its own until Ctrl-C. Everything stays in the data directory."""
    asked = options_of(reference, app, partitions, data_dir, snapshots, accept_new_code, begin, model, limit)
    in_foreground(replace(asked, host=host, workers=workers, spares=spares, otlp=otlp, review_port=review_port))


def options_of(
    reference: str,
    name: str | None,
    partitions: int | None,
    data_dir: Path | None,
    snapshots: str | None,
    accept_new_code: str | None,
    begin: Sequence[str] | None,
    model: Sequence[str] | None,
    limit: Sequence[str] | None,
) -> RunOptions:
    """What has to be read to be understood, read. Raises `BadInput`, `ConfigError`."""
    ref, app = app_ref(reference, name, partitions), load_app(reference)
    folder = data_dir or default_data_dir(ref.name)
    return RunOptions(
        app=ref,
        data_dir=folder,
        snapshots=snapshots,
        accept_new_code=accepted(accept_new_code),
        begin=beginnings(app, begin or ()),
        models=adoptions(app, Place(ref.name, DataDir(folder), snapshots), model or ()),
        limits=parse_limits(limit or ()),
    )


def app_ref(reference: str, name: str | None, partitions: int | None) -> AppRef:
    """The app with what the command line overrides. Raises `ConfigError`."""
    app = load_app(reference)
    return AppRef(reference, name or app.name, partitions or app.partitions, tuple(app.environment))


def accepted(text: str | None) -> dict[str, str] | None:
    """`WHO:WHY` as it is journalled. Raises `BadInput`."""
    if text is None:
        return None
    who, _, why = text.partition(":")
    if not who.strip() or not why.strip():
        raise BadInput(f"--accept-new-code {text!r} doesn't say who and why", remedy='write it as "NAME:REASON"')
    return {"who": who.strip(), "why": why.strip()}


def beginnings(app: App, texts: Sequence[str]) -> dict[str, str]:
    """Where agents' stages begin, of `AGENT=beginning|TIME`. Raises `BadInput`."""
    found = {}
    for text in texts:
        name, _, start = text.partition("=")
        found[_stage(app, name, f"--from {text}")] = start
        if start != BEGINNING and not _is_past(start):
            raise BadInput(
                f"--from {text}: {start!r} is no time that has been",
                remedy=f"write {name}={BEGINNING}, or a time like {name}=2026-01-31T12:00:00Z",
            )
    return found


def adoptions(app: App, place: Place, texts: Sequence[str]) -> dict[str, str]:
    """Which model agents' stages adopt, of `AGENT=DIGEST`, each with a signature that holds. Raises `BadInput`."""
    found = {}
    for text in texts:
        name, _, prefix = text.partition("=")
        stage = _stage(app, name, f"--model {text}")
        store = place.store()
        found[stage] = store.get(store.find(prefix)).digest
    return found


def _stage(app: App, name: str, option: str) -> str:
    for agent in app.agents:
        if name in (agent.name, names.agent_stage(agent.name)):
            return names.agent_stage(agent.name)
    have = ", ".join(a.name for a in app.agents) or "none: graphs keep no model"
    raise BadInput(f"{option}: app {app.name} has no agent {name!r}", remedy=f"its agents are {have}")


def _is_past(text: str) -> bool:
    try:
        return parse_rfc3339(text) <= time.time_ns() // 1000
    except ValueError:
        return False


def in_foreground(options: RunOptions) -> None:
    """Run until SIGINT or SIGTERM, or until the supervisor ends, which is an error."""
    console = Console(stderr=True)
    ended = threading.Event()
    with starting_progress(console) as tell:
        context = running(options, tell)
        session = context.__enter__()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        announce(console, session)
        told: dict[str, str] = {}
        while not ended.wait(0.5):
            session.demand_alive()
            told = tell_parked(console, session, told)
        console.print("draining …", style="dim")
    finally:
        context.__exit__(None, None, None)


def tell_parked(console: Console, session: Session, told: dict[str, str]) -> dict[str, str]:
    """Say which shards have parked since, and why; returns all that are parked now."""
    found = dict(session.running.parked) if session.running is not None else told
    for shard, why in found.items():
        if told.get(shard) != why:
            console.print(f"[bold red]parked[/] {escape(f'{shard}: {why}')}", highlight=False, soft_wrap=True)
    return found


def announce(console: Console, session: Session) -> None:
    """Where everything is."""
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]app[/]", session.options.app.name)
    table.add_row("[bold]Kafka[/]", session.bootstrap)
    if (page := session.review_url()) is not None:
        table.add_row("[bold]review page[/]", page)
    table.add_row("[bold]data[/]", escape(str(session.data.root)))
    table.add_row("[bold]logs[/]", escape(str(session.data.logs)))
    table.add_row("", "Ctrl-C ends it; nothing is lost")
    console.print(table)
