"""Where `trace` and `explain` find the audit store, and what an id means in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rivergate.adapters.audit_reader import SqliteAuditReader
from rivergate.audit.errors import Ambiguous, AuditStoreUnavailable, NoAuditStore, NotFound
from rivergate.audit.stored import Named
from rivergate.domain.errors import RivergateError
from rivergate.runtime.paths import audit_db, default_data_dir

AppOption = Annotated[str | None, typer.Option("--app", help="The app's name; needed where several know the id.")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="The app's data directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Place:
    """An audit store that knows the id, and its app's data directory."""

    reader: SqliteAuditReader
    data_dir: Path
    found: Sequence[Named]


def look_up(text: str, app: str | None, data_dir: Path | None) -> Place:
    """The audit store that knows the id, of the folder or app that is named, else of all apps here.

    A store that can't be read hides no other: its error is raised only where nobody knows the id.
    Raises `NoAuditStore`, `AuditStoreUnavailable`, `NotFound`, `Ambiguous`.
    """
    wanted = text.strip().lower() if _is_hex(text.strip()) else text.strip()
    folders = [data_dir] if data_dir else [default_data_dir(app)] if app else _folders()
    places: list[Place] = []
    unreadable: RivergateError | None = None
    with ExitStack() as opened:
        for folder in folders:
            try:
                place = _asked(folder, wanted)
            except (NoAuditStore, AuditStoreUnavailable) as e:
                unreadable = unreadable or e
                continue
            if place is not None:
                opened.callback(place.reader.close)
                places.append(place)
        if len(places) > 1:
            raise Ambiguous(
                f"several apps know {text!r}: {', '.join(p.reader.app() for p in places)}",
                remedy="say which with --app",
            )
        opened.pop_all()
    if places:
        return places[0]
    if unreadable is not None:
        raise unreadable
    raise NotFound(
        f"nothing that was recorded has the id {text!r}",
        where=", ".join(str(audit_db(f)) for f in folders),
        remedy="give a trace id, a proposal id, an event id, or the beginning of one;"
        " what was written within the last second may not have been read yet",
    )


def _asked(folder: Path, wanted: str) -> Place | None:
    """The folder's store if it knows the id; else it is closed again."""
    reader = SqliteAuditReader(audit_db(folder))
    found: Sequence[Named] = []
    try:
        found = reader.find(wanted, SHOWN + 1) if wanted else []
    finally:
        if not found:
            reader.close()
    return Place(reader, folder, found) if found else None


def _is_hex(text: str) -> bool:
    return bool(text) and all(c in "0123456789abcdefABCDEF" for c in text)


def _folders() -> list[Path]:
    """Data directories with an audit store: here and in the default place."""
    name = audit_db(Path()).name
    bases = (Path(".rivergate"), default_data_dir("app").parent)
    found = sorted({p.parent.resolve() for base in bases for p in (*base.glob(name), *base.glob(f"*/{name}"))})
    if not found:
        raise NoAuditStore(
            "no app has an audit store here",
            where=" and ".join(map(str, bases)),
            remedy="start one (`rivergate up` or `rivergate demo`), or name its folder with --data-dir",
        )
    return found


def the_trace(text: str, place: Place) -> Named:
    """The one trace that the id leads to. Raises `Ambiguous`, and `NotFound` for what has no trace."""
    with_trace = [n for n in place.found if n.trace_id]
    if not with_trace:
        raise NotFound(f"{place.found[0].kind} {place.found[0].id} has no trace yet", remedy="try again in a second")
    if len({n.trace_id for n in with_trace}) > 1:
        raise ambiguous(text, with_trace)
    return with_trace[0]


def the_proposal(text: str, place: Place) -> str:
    """The one proposal that the id leads to: its own, or the only one of an event or a trace. Raises `Ambiguous`,
    and `NotFound` for an event that led to none, and for what was muted.
    """
    proposals: dict[str, Named] = {}
    for n in place.found:
        _demand_sent(n, place.reader)
        for pid in _proposals_of(n, place.reader):
            proposals[pid] = Named("proposal", pid, n.trace_id)
    if not proposals:
        raise NotFound(
            f"{place.found[0].kind} {place.found[0].id} led to no proposal",
            remedy="see what happened with `rivergate trace show`",
        )
    if len(proposals) > 1:
        raise ambiguous(text, list(proposals.values()), lambda n: _kind_of(n.id, place.reader))
    return next(iter(proposals))


def _proposals_of(n: Named, reader: SqliteAuditReader) -> Sequence[str]:
    if n.kind == "proposal":
        return [n.id]
    if n.kind == "event":
        return list(dict.fromkeys(r.proposal_id for r in reader.records_about(n.id) if r.proposal_id))
    return list(dict.fromkeys(pid for s in reader.trace(n.id) if not s.muted for pid in s.proposal_ids))


def _demand_sent(n: Named, reader: SqliteAuditReader) -> None:
    if n.kind == "proposal" and any(s.muted and n.id in s.proposal_ids for s in reader.trace(n.trace_id)):
        raise NotFound(
            f"proposal {n.id} was never sent: its agent was muted, catching up with history",
            remedy=f"`rivergate trace show {n.id[:12]}` shows what it would have been",
        )


def _kind_of(pid: str, reader: SqliteAuditReader) -> str:
    return next((str(r.value["kind"]) for r in reader.records_of(pid) if "kind" in r.value), "")


def ambiguous(text: str, found: Sequence[Named], describe: Callable[[Named], str] = lambda _: "") -> Ambiguous:
    """The error that names what the id could mean."""
    lines = [f"  {n.kind:<9}{n.id} {describe(n)}".rstrip() for n in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append("  … and more")
    return Ambiguous(f"{text!r} may mean several things:\n" + "\n".join(lines), remedy="give more of the id")
