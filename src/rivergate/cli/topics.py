"""`rivergate topics list|diff|apply`: what topics an app needs, and what the broker has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.cli.screen import screen
from rivergate.domain import names
from rivergate.domain.errors import BrokerUnavailable, ConfigError
from rivergate.runtime.app import load_app
from rivergate.topics import BrokerTopic, Catalogue, Change, TopicSpec, apply_topics, plan_topics
from rivergate.topics.catalogue import STAGES
from rivergate.topics.quantities import duration_text

topics = typer.Typer(no_args_is_help=True, help="Topics as code: what an app needs, and what the broker has.")

Reference = Annotated[str | None, typer.Argument(metavar="[MODULE:APP]", help="The app, as in fleet.app:app.")]
AppName = Annotated[
    str | None, typer.Option("--app", help="The app's name; without MODULE:APP, its system topics alone.")
]
Partitions = Annotated[int | None, typer.Option(min=1, help="The app's number of partitions.")]
Folders = Annotated[
    list[Path] | None, typer.Option("--topics", file_okay=False, help="A further folder of users' topic files.")
]
Bootstrap = Annotated[str, typer.Option(envvar="RIVERGATE_BOOTSTRAP", metavar="HOST:PORT", help="The broker.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

_STYLES = {"create": "green", "alter": "yellow", "refuse": "red", "same": "dim"}
_DONE = {"create": "created", "alter": "altered", "refuse": "refused", "same": "same"}


def specs_of(
    reference: str | None, name: str | None, partitions: int | None, folders: Sequence[Path] | None
) -> list[TopicSpec]:
    """The topics of an app that the command line names. Raises `ConfigError`."""
    if reference is not None:
        app = load_app(reference)
        app = replace(app, name=name or app.name, partitions=partitions or app.partitions)
        used = app.events
        return Catalogue.for_app(app.name, app.partitions, app.stages, [*app.topics, *(folders or ())], used=used)
    if name is None:
        raise ConfigError(
            "which app?", remedy="name it: MODULE:APP, or --app NAME --partitions N for system topics alone"
        )
    if partitions is None:
        raise ConfigError(
            f"how many partitions does app {name} have?", remedy="add --partitions N, or name the app as MODULE:APP"
        )
    return Catalogue.for_app(name, partitions, {names.GATE: 1, names.EFFECTS: partitions}, folders or ())


@contextmanager
def connected(bootstrap: str) -> Iterator[KafkaAdmin]:
    """The broker's administration, released at the end. Raises `BrokerUnavailable` with what to do about it."""
    admin = KafkaAdmin(bootstrap)
    try:
        yield admin
    except BrokerUnavailable as e:
        raise BrokerUnavailable(
            f"no Kafka broker answers ({e.what})",
            where=bootstrap,
            remedy="start one with `rivergate broker`, or name yours with --bootstrap HOST:PORT",
        ) from e
    finally:
        admin.close()


@topics.command("list")
def list_topics(
    reference: Reference = None,
    app: AppName = None,
    partitions: Partitions = None,
    folders: Folders = None,
    bootstrap: Annotated[
        str | None,
        typer.Option(envvar="RIVERGATE_BOOTSTRAP", metavar="HOST:PORT", help="Show what this broker has of them."),
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Say why each topic exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """List an app's topics: who writes them, who reads them, how long records stay. Needs no broker."""
    specs = specs_of(reference, app, partitions, folders)
    there: Mapping[str, BrokerTopic] | None = None
    if bootstrap is not None:
        with connected(bootstrap) as admin:
            there = admin.describe([s.name for s in specs])
    if as_json:
        typer.echo(json.dumps({"topics": [_as_dict(s, there) for s in specs]}))
        return
    _print_list(specs, there, why=why)


@topics.command()
def diff(
    reference: Reference = None,
    app: AppName = None,
    partitions: Partitions = None,
    folders: Folders = None,
    bootstrap: Bootstrap = "127.0.0.1:9092",
    as_json: AsJson = False,
) -> None:
    """Say what `apply` would do and what it would refuse. Changes nothing; exits 1 if it would refuse something."""
    specs = specs_of(reference, app, partitions, folders)
    with connected(bootstrap) as admin:
        changes = plan_topics(admin, specs)
    _report(changes, bootstrap, as_json=as_json, done=False)


@topics.command()
def apply(
    reference: Reference = None,
    app: AppName = None,
    partitions: Partitions = None,
    folders: Folders = None,
    bootstrap: Bootstrap = "127.0.0.1:9092",
    as_json: AsJson = False,
) -> None:
    """Create and alter what is safe. Refuses what loses data or moves keys, says so, and exits 1 then."""
    specs = specs_of(reference, app, partitions, folders)
    with connected(bootstrap) as admin:
        changes = apply_topics(admin, specs).changes
    _report(changes, bootstrap, as_json=as_json, done=True)


def _print_list(specs: Sequence[TopicSpec], there: Mapping[str, BrokerTopic] | None, *, why: bool) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("topic", no_wrap=True)
    table.add_column("parts", justify="right")
    table.add_column("kept", no_wrap=True)
    if there is not None:
        table.add_column("on the broker")
    table.add_column("written by → read by")
    for spec in specs:
        declared = spec.declared
        flow = Text(f"{_parties(declared.writers)} → {_parties(declared.readers)}")
        presence = [] if there is None else [_presence(spec, there)]
        table.add_row(
            spec.name,
            str(spec.partitions),
            _kept(spec),
            *presence,
            flow.append(f"\n{declared.why}", "dim") if why else flow,
        )
    screen().print(table)


def _parties(named: Sequence[str]) -> str:
    if set(named) >= STAGES:
        named = ["every stage", *(n for n in named if n not in STAGES)]
    return ", ".join(named)


def _report(changes: Sequence[Change], bootstrap: str, *, as_json: bool, done: bool) -> None:
    refused = [c for c in changes if c.kind == "refuse"]
    if as_json:
        said = [
            {"topic": c.spec.name, "change": c.kind, "what": c.what}
            | ({"reason": c.reason, "remedy": c.remedy} if c.kind == "refuse" else {})
            for c in changes
        ]
        typer.echo(json.dumps({"bootstrap": bootstrap, "applied": done, "refused": len(refused), "changes": said}))
    else:
        _print_changes(changes, bootstrap, done=done)
    if refused:
        raise typer.Exit(1)


def _print_changes(changes: Sequence[Change], bootstrap: str, *, done: bool) -> None:
    console = screen(soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    for c in changes:
        if c.kind != "same":
            table.add_row(Text(_DONE[c.kind] if done else c.kind, style=_STYLES[c.kind]), c.spec.name, c.what)
    if table.row_count:
        console.print(table)
    for reason, remedy, concerned in _by_reason(changes):
        console.print(Text.assemble(("\nrefused: ", "bold red"), f"{reason} ({concerned})\n→ {remedy}"))
    counts = {kind: sum(c.kind == kind for c in changes) for kind in _STYLES}
    words = [f"{n} {_DONE[kind] if done else 'to ' + kind}" for kind, n in counts.items() if n and kind != "same"]
    if counts["same"]:
        words.append(f"{counts['same']} as declared")
    console.print(Text(f"{', '.join(words)} on {bootstrap}", style="dim"))


def _by_reason(changes: Sequence[Change]) -> Iterator[tuple[str, str, str]]:
    """(reason, remedy, topics) of the refusals, each pair said once."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for c in changes:
        if c.kind == "refuse":
            grouped.setdefault((c.reason, c.remedy), []).append(c.spec.name)
    for (reason, remedy), concerned in grouped.items():
        more = f" and {len(concerned) - 3} more" if len(concerned) > 3 else ""
        yield reason, remedy, ", ".join(concerned[:3]) + more


def _kept(spec: TopicSpec) -> str:
    if spec.compacted:
        return "newest of a key"
    return duration_text(int(spec.config["retention.ms"]))


def _presence(spec: TopicSpec, there: Mapping[str, BrokerTopic]) -> str:
    found = there.get(spec.name)
    if found is None:
        return "missing"
    return "there" if found.partitions == spec.partitions else f"{found.partitions} partitions"


def _as_dict(spec: TopicSpec, there: Mapping[str, BrokerTopic] | None) -> dict[str, Any]:
    declared = spec.declared
    said: dict[str, Any] = {
        "name": spec.name,
        "partitions": spec.partitions,
        "system": spec.system,
        "key": declared.key,
        "schema": declared.schema_,
        "config": dict(spec.config),
        "writers": declared.writers,
        "readers": declared.readers,
        "why": declared.why,
    }
    if there is not None:
        found = there.get(spec.name)
        said["on_broker"] = None if found is None else {"partitions": found.partitions, "config": dict(found.config)}
    return said
