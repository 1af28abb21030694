"""`rivergate trace`: what the stages did about an event, as a tree of spans."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from rivergate.audit.errors import NotFound
from rivergate.audit.stored import StoredSpan
from rivergate.cli.audit_db import AppOption, DataDirOption, JsonOption, look_up, the_trace
from rivergate.cli.screen import screen
from rivergate.cli.trace_screen import trace_screen

trace = typer.Typer(help="Traces: what every stage did about an event.", no_args_is_help=True)


@trace.callback()
def group() -> None:
    """Traces: what every stage did about an event."""


@trace.command()
def show(
    trace_id: Annotated[
        str, typer.Argument(metavar="ID", help="Trace, proposal or event id, or a unique beginning of one.")
    ],
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show every attribute and link.")] = False,
    app: AppOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one trace, from the event to the effect: which stage did what, when, for how long, and what went wrong."""
    place = look_up(trace_id, app, data_dir)
    try:
        named = the_trace(trace_id, place)
        spans = place.reader.trace(named.trace_id)
        batches = place.reader.linking_to(named.trace_id)
    finally:
        place.reader.close()
    if not spans:
        raise NotFound(
            f"no span of trace {named.trace_id} is in the audit store",
            remedy="an event that led to nothing has no span of its own; else try again in a second",
        )
    if as_json:
        found = {"trace_id": named.trace_id, "spans": list(map(_plain, spans)), "batches": list(map(_plain, batches))}
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    console = screen()
    console.print(trace_screen(named, spans, batches, console.width, everything=everything))


def _plain(span: StoredSpan) -> dict[str, Any]:
    """A span as JSON; its place in the log as text, and what a reader would have to compute."""
    value = asdict(span) | {"position": str(span.position), "stage": span.stage, "duration_ns": span.duration_ns}
    value["links"] = [{"trace_id": t, "span_id": s} for t, s in span.links]
    value["events"] = [{"name": n, "at_ns": at, "attributes": given} for n, at, given in span.events]
    return value
