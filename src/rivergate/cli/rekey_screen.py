"""How far a move is, in words and figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from rivergate.domain.errors import RivergateError
from rivergate.domain.wire import RekeyedRecord
from rivergate.ports import LogArchive
from rivergate.runtime.rekey.costs import costs
from rivergate.runtime.rekey.facts import Facts
from rivergate.runtime.rekey.plan import Plan
from rivergate.runtime.rekey.release import Released

EVERY_S = 2.0
NOT_CARRIED = (
    "outcomes and decisions of the old app that come after the release: their labels stay with the old agents",
    "open reviews, budgets, kill switches and policies: the new app has its own, and its gate begins anew",
    "timers by which the old agents would have acted after they were parked: the new agents' own fire instead",
    "keyed state and models as they are: the new agents learn theirs anew, each shard from the keys that it has now",
)


class CopyingScreen:
    """A line now and then, on one place where that is possible; what hinders the copy stays."""

    def __init__(self, console: Console, plan: Plan, status: Status) -> None:
        self._console = console
        self._plan = plan
        self._status = status
        self._said_at = 0.0

    def told(self, note: RekeyedRecord) -> None:
        """How far it is."""
        if time.monotonic() - self._said_at < EVERY_S:
            return
        self._said_at = time.monotonic()
        of, to = self._plan.of, self._plan.to
        line = f"copied {note.records:,} records ({_size(note.bytes)}) of {of} into {to}, up to {note.at[:19]}"
        if self._console.is_terminal:
            self._status.update(f"{line}; Ctrl-C stops it, --status says more")
        else:
            self._say(line)

    def hindered(self, error: RivergateError) -> None:
        """What it waits for."""
        self._say(f"the copy waits, and tries again: {error}")

    def _say(self, line: str) -> None:
        self._console.print(escape(line), highlight=False, soft_wrap=True)


@contextmanager
def copying_screen(console: Console, plan: Plan) -> Iterator[CopyingScreen]:
    """As long as the copy runs."""
    with console.status(f"copying {plan.of} into {plan.to} …") as status:
        yield CopyingScreen(console, plan, status)


def status_of(plan: Plan, reader: LogArchive, newest: RekeyedRecord | None, facts: Facts) -> dict[str, Any]:
    """As it is printed, as plain data."""
    left = costs(plan, reader, newest, sum(facts.uncopied.values()))
    return {
        "of": plan.of,
        "to": plan.to,
        "topics": dict(plan.topics),
        "partitions": plan.partitions,
        "copied": 0 if newest is None else newest.records,
        "missed": 0 if newest is None else newest.missed,
        "released": None if newest is None else newest.released and newest.at,
        "left": {"records": left.records, "bytes": left.bytes, "per_second": left.per_second, "seconds": left.seconds},
        "missing": [{"what": what, "remedy": remedy} for what, remedy in facts.missing],
        "in_flight": dict(facts.in_flight),
        "pause_s": max(0.0, time.time() - facts.last_event / 1e6) if facts.last_event else None,
        "not_carried": list(NOT_CARRIED),
    }


def print_status(console: Console, plan: Plan, found: dict[str, Any]) -> None:
    """For people."""
    table = Table.grid(padding=(0, 2))
    left = found["left"]
    for old, new in found["topics"].items():
        table.add_row("[bold]copies[/]", escape(f"{old} → {new} ({plan.partitions} partitions)"))
    table.add_row("[bold]copied[/]", f"{found['copied']:,} records" + _missed(found["missed"]))
    rest = f"{left['records']:,} records, about {_size(left['bytes'])} of disk on each replica before compression"
    if left["seconds"] is not None and left["records"]:
        rest += f", {left['seconds']:,.0f} s at {left['per_second']:,.0f} a second"
    table.add_row("[bold]left[/]", rest)
    if found["released"]:
        table.add_row("[bold]released[/]", found["released"])
    else:
        if found["pause_s"] is not None:
            table.add_row(
                "[bold]pause[/]",
                f"the newest event is {found['pause_s']:,.0f} s old: the producers' pause lasts from the last one to the release",
            )
        for m in found["missing"] or [{"what": "nothing: it can be released", "remedy": "--release"}]:
            table.add_row("[bold]missing[/]", escape(f"{m['what']}\n→ {m['remedy']}"))
    _add_in_flight(table, found["in_flight"])
    for what in found["not_carried"]:
        table.add_row("[bold]stays behind[/]", what)
    console.print(table, highlight=False)


def print_released(console: Console, plan: Plan, found: Released) -> None:
    """For people."""
    note = found.note
    console.print(f"{plan.to} acts since {note.at}, released by {escape(note.by)}", highlight=False)
    table = Table.grid(padding=(0, 2))
    if found.pause is not None:
        table.add_row(
            "[bold]pause[/]", f"{found.pause / 1e6:,.1f} s since the last event of {plan.of}; producers write to"
        )
        table.add_row("", escape(", ".join(plan.topics.values())))
    if found.facts is not None:
        _add_in_flight(table, found.facts.in_flight)
    console.print(table, highlight=False)


def _add_in_flight(table: Table, in_flight: dict[str, int] | Any) -> None:
    for what, n in in_flight.items():
        table.add_row(
            "[bold]in flight[/]", f"{n:,} {what}: the old app settles them, leave its gate and effects running"
        )


def _missed(missed: int) -> str:
    return f"; retention had removed {missed:,} before their turn" if missed else ""


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
