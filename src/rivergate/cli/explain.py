"""`rivergate explain`: why an action was done, or not, in words."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Annotated

import typer

from rivergate.audit.explain import beginning, evidence
from rivergate.audit.explain import explain as explanation_of
from rivergate.cli.audit_db import AppOption, DataDirOption, JsonOption, look_up, the_proposal
from rivergate.cli.explain_screen import explanation_screen
from rivergate.cli.log_at_hand import log_at_hand
from rivergate.cli.screen import screen


def explain(
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="A proposal's id, a unique beginning of it, or its event's or trace's id."
        ),
    ],
    app: AppOption = None,
    data_dir: DataDirOption = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker to read the event's own fields from; the running app's, if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why: which event, what the agent said, which rules spoke, who decided, and what came of it."""
    place = look_up(action, app, data_dir)
    with ExitStack() as opened:
        opened.callback(place.reader.close)
        log = log_at_hand(place, bootstrap)
        if log is not None:
            opened.callback(log.close)
        pid = the_proposal(action, place)
        records = evidence(place.reader, pid)
        found = explanation_of(pid, records, log.fetch if log else None, beginning(place.reader, records))
        unread = log.unread(records[0].position.partition) if log and records else ()
    found = found.model_copy(update={"findings": (*unread, *found.findings)})
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
        return
    console = screen()
    console.print(explanation_screen(found, console.width))
