"""`rivergate rekey`: more partitions for an app that is full, by moving it to topics that have more."""

from __future__ import annotations

import getpass
import json
import signal
import threading
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from rivergate.cli.app_place import BootstrapOption, DataDirOption, broker_of
from rivergate.cli.patience import patient_progress
from rivergate.cli.rekey_screen import copying_screen, print_released, print_status, status_of
from rivergate.cli.run import AppName, Partitions, Reference, app_ref
from rivergate.domain.errors import BadInput
from rivergate.runtime.rekey.copying import Copying, make_topics, reading
from rivergate.runtime.rekey.facts import Look, now
from rivergate.runtime.rekey.notes import first_note, noted
from rivergate.runtime.rekey.plan import Plan, plan_of
from rivergate.runtime.rekey.release import QUIET_S, release


def rekey(
    reference: Reference,
    of: Annotated[str, typer.Option("--of", metavar="NAME", help="The app that is full.")],
    app: AppName = None,
    partitions: Partitions = None,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="OLD=NEW", help="A topic of the old app, and what the new one reads instead."),
    ] = None,
    release_it: Annotated[
        bool, typer.Option("--release", help="Let the new app act from here on, if all is there.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say how far it is and what it costs; change nothing.")
    ] = False,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
    quiet: Annotated[
        float, typer.Option(min=0.0, help="Seconds in which nothing may come, before a release.")
    ] = QUIET_S,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (--status and --release).")] = False,
) -> None:
    """Move an app to topics with more partitions: copy its inputs into a new app, which learns muted until --release.

    --data-dir is the old app's. Without --release or --status this copies until Ctrl-C or the release, and goes on where
    it stood when it is started again.
    """
    if release_it and status:
        raise BadInput("--release and --status are two things", remedy="ask for one of them")
    where = broker_of(of, data_dir, bootstrap)
    ref = app_ref(reference, app, partitions)
    made = ref.load()
    plan = plan_of(made, of, _named(topic or ()))
    if status:
        _status(plan, where, as_json=as_json)
    elif release_it:
        _release(plan, where, quiet, as_json=as_json)
    else:
        make_topics(made, where)
        _copy(plan, where)


def _copy(plan: Plan, bootstrap: str) -> None:
    console = Console(stderr=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with copying_screen(console, plan) as screen:
        end = Copying(plan, bootstrap, getpass.getuser(), now, screen.told, screen.hindered).run(stop)
    if end is None:
        console.print("stopped; the same command goes on from here", style="dim")
    else:
        console.print(
            f"{plan.to} was released; {end.records:,} records are copied, and no more will be", highlight=False
        )


def _status(plan: Plan, bootstrap: str, *, as_json: bool) -> None:
    with patient_progress(Console(stderr=True)) as tell, reading(bootstrap, plan) as reader:
        tell("looking at both apps", None)
        newest = noted(plan, reader)
        facts = Look(plan, bootstrap, reader).facts(newest or first_note(plan, reader, ""))
        found = status_of(plan, reader, newest, facts)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_status(Console(), plan, found)


def _release(plan: Plan, bootstrap: str, quiet_s: float, *, as_json: bool) -> None:
    with patient_progress(Console(stderr=True)) as tell:
        tell("looking whether all is there", None)
        found = release(plan, bootstrap, getpass.getuser(), now, time.sleep, quiet_s)
    if as_json:
        in_flight = dict(found.facts.in_flight) if found.facts else {}
        pause_s = None if found.pause is None else found.pause / 1e6
        typer.echo(
            json.dumps({"released": found.note.at, "by": found.note.by, "pause_s": pause_s, "in_flight": in_flight})
        )
    else:
        print_released(Console(), plan, found)


def _named(texts: Sequence[str]) -> dict[str, str]:
    """Raises `BadInput`."""
    found = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not old or not new:
            raise BadInput(f"--topic {text!r} doesn't name two topics", remedy="write OLD=NEW")
        found[old] = new
    return found
