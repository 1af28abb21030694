"""The review queue's view in SQLite (the default) or PostgreSQL (by URL), through SQLAlchemy."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, create_engine, delete, event, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from rivergate.adapters import review_schema as schema
from rivergate.adapters.review_schema import CASES, META, POSITIONS
from rivergate.domain.clock import SECOND
from rivergate.domain.errors import BadInput, ConfigError, RivergateError
from rivergate.domain.record import Position, Record, TopicPartition
from rivergate.review.case import Case, State
from rivergate.review.fact import Fact, fact_of
from rivergate.review.ports import ALL, SETTLED, UNRESOLVED, Query

_LOG = logging.getLogger("rivergate.review")

KEPT_S = 7 * 24 * 3600
"""How long a case that waits for nobody is kept after its last record."""
KEPT_CASES = 200_000
"""How many such cases are kept at most; the oldest fall out first."""
_PRUNE_EVERY = 64
_CHUNK = 400
_UNSTORABLE = (ValueError, TypeError, OverflowError)
"""What a value raises that passes for a record and can't be stored: an integer of more than 64 bits is one."""


class StoreUnavailable(RivergateError):
    """The database doesn't answer or refused; the same call may succeed later."""

    retryable = True


class SqlReviewStore:
    """See `review.ports.ReviewStore` for the contract. Made from an SQLAlchemy URL.

    Cases that wait for nobody are bounded by age and count; what waits for a person is always kept, and so is what waits
    for effects, unless the app has none (`effects`).
    """

    def __init__(self, url: str, *, kept_s: int = KEPT_S, kept_cases: int = KEPT_CASES, effects: bool = True) -> None:
        self._effects = effects
        self._kept_s = kept_s
        self._kept_cases = kept_cases
        self._batches = 0
        self._engine = _engine(url)
        self._where = self._engine.url.render_as_string(hide_password=True)
        with _Translated(self._where), self._engine.begin() as c:
            if schema.make(c):
                _LOG.warning("%s was of another version of rivergate: it is rebuilt from the log", self._where)

    # --- the sink ----------------------------------------------------------------------------------------------

    def positions(self) -> Mapping[TopicPartition, int]:
        """Next offset to read for each partition that was ever written."""
        with _Translated(self._where), self._engine.connect() as c:
            return {(t, p): n for t, p, n in c.execute(select(POSITIONS))}

    def write(self, records: Sequence[Record]) -> None:
        """Merge the records into their cases and move the positions, in one database transaction.

        A record that breaks the wire contract, or that no row can hold, is named in the log and left out.
        """
        facts: dict[str, list[Fact]] = {}
        ends: dict[TopicPartition, int] = {}
        for record in records:
            ends[record.topic, record.partition] = record.offset + 1
            try:
                read = fact_of(record)
            except BadInput as e:
                _LOG.warning("left out of the review queue: %s", e)
                continue
            if read is not None:
                facts.setdefault(read[0], []).append(read[1])
        with _Translated(self._where), self._engine.begin() as c:
            if self._merge(c, facts):
                _bump(c)
            _upsert(c, POSITIONS, [{"topic": t, "partition": p, "next": n} for (t, p), n in ends.items()])
            self._batches += 1
            if self._batches % _PRUNE_EVERY == 0:
                self._prune(c)

    def adopt_log(self, identity: str, ends: Mapping[TopicPartition, int]) -> str | None:
        """Empty the view if it is of another log or ahead of this one; returns the reason."""
        stored = self.positions()
        with _Translated(self._where), self._engine.begin() as c:
            was = _meta(c, "log")
            ahead = [f"{t}/{p}" for (t, p), n in stored.items() if n > ends.get((t, p), n)]
            reason = None
            if was is not None and was != identity:
                reason = "the topics were made anew: this is another log than the one the view was built from"
            elif ahead:
                reason = (
                    f"the view is ahead of the log's end on {', '.join(sorted(ahead))}: the log was cut or restored"
                )
            if reason is not None:
                c.execute(delete(CASES))
                c.execute(delete(POSITIONS))
                _bump(c)
            _upsert(c, META, [{"name": "log", "value": identity}])
        return reason

    def _merge(self, c: Connection, facts: Mapping[str, list[Fact]]) -> bool:
        """Whether anything that people see changed."""
        ids = list(facts)
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            there = dict(
                c.execute(select(CASES.c.proposal_id, CASES.c.document).where(CASES.c.proposal_id.in_(chunk))).all()
            )
            for pid in chunk:
                known = Case.from_json(pid, there[pid]) if pid in there else Case(pid)
                row = _row_with(known, facts[pid])
                if row is not None:
                    rows.append(row | {"shown_before": known.shown})
        shown = any(r.pop("shown_before") | r["shown"] for r in rows) if rows else False
        _upsert(c, CASES, rows)
        return shown

    def _prune(self, c: Connection) -> None:
        newest = c.scalar(select(func.max(CASES.c.last_at)))
        if newest is None:
            return
        idle = and_(~_waiting(), ~CASES.c.in_flight) if self._effects else ~_waiting()
        c.execute(delete(CASES).where(idle, CASES.c.last_at < newest - self._kept_s * SECOND))
        oldest_kept = c.scalar(
            select(CASES.c.last_at).where(idle).order_by(CASES.c.last_at.desc()).offset(self._kept_cases).limit(1)
        )
        if oldest_kept is not None:
            c.execute(delete(CASES).where(idle, CASES.c.last_at <= oldest_kept))

    # --- what people ask ---------------------------------------------------------------------------------------

    def case(self, proposal_id: str) -> Case | None:
        """All that is known of a proposal."""
        with _Translated(self._where), self._engine.connect() as c:
            document = c.scalar(select(CASES.c.document).where(CASES.c.proposal_id == proposal_id))
        return None if document is None else Case.from_json(proposal_id, document)

    def ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Ids of reviews and unresolved actions that begin with `prefix`, sorted."""
        column = CASES.c.proposal_id
        query = select(column).where(CASES.c.shown, column.startswith(prefix, autoescape=True))
        with _Translated(self._where), self._engine.connect() as c:
            return list(c.scalars(query.order_by(column).limit(limit)))

    def cases(self, query: Query) -> Sequence[Case]:
        """The cases that are asked for."""
        where = [CASES.c.shown, _which(query.which)]
        if query.kind:
            where.append(CASES.c.kind == query.kind)
        order = (
            (CASES.c.expires_at, CASES.c.opened_at)
            if query.which == "open"
            else (_open_first(), CASES.c.last_at.desc())
        )
        found = select(CASES.c.proposal_id, CASES.c.document).where(and_(*where))
        found = found.order_by(*order, CASES.c.proposal_id).limit(query.limit).offset(query.offset)
        with _Translated(self._where), self._engine.connect() as c:
            return [Case.from_json(pid, document) for pid, document in c.execute(found)]

    def counts(self) -> Mapping[str, int]:
        """How many reviews are in each state, and how many actions are `unresolved`."""
        with _Translated(self._where), self._engine.connect() as c:
            rows = c.execute(select(CASES.c.state, func.count()).where(CASES.c.state != "").group_by(CASES.c.state))
            counts = {state: n for state, n in rows}  # noqa: C416 - a Row isn't a pair to mypy
            unresolved = c.scalar(select(func.count()).where(CASES.c.outcome == "unknown"))
        return counts | ({UNRESOLVED: unresolved} if unresolved else {})

    def kinds(self) -> Sequence[str]:
        """Kinds that reviews and unresolved actions have, sorted."""
        with _Translated(self._where), self._engine.connect() as c:
            return list(c.scalars(select(CASES.c.kind).where(CASES.c.shown).distinct().order_by(CASES.c.kind)))

    def version(self) -> int:
        """A number that grows whenever a review or an unresolved action changes."""
        with _Translated(self._where), self._engine.connect() as c:
            return int(_meta(c, "version") or 0)

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()


def _row_with(known: Case, facts: Sequence[Fact]) -> dict[str, Any] | None:
    """The row of the case with these facts too, None where they add nothing. Which of them a row can't hold is asked only
    where all of them together fail.
    """
    merged = known.merged(facts)
    if merged.facts == known.facts:
        return None
    try:
        return schema.row_of(merged)
    except _UNSTORABLE:
        able = [f for f in facts if _can_be_stored(known.proposal_id, f)]
        if len(able) == len(facts):
            raise
        return _row_with(known, able)


def _can_be_stored(proposal_id: str, fact: Fact) -> bool:
    try:
        schema.row_of(Case(proposal_id).merged([fact]))
    except _UNSTORABLE as e:
        place = Position(fact.topic, fact.partition, fact.offset)
        _LOG.warning("left out of the review queue: %s can't be stored: %s", place, e)
        return False
    return True


class _Translated:
    """Turns the database's errors into ours."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DBAPIError):
            raise StoreUnavailable(
                f"the review queue's database refused: {str(error.orig).strip().splitlines()[0]}",
                where=self._where,
                remedy="see that it runs, is writable and has space; the view can be deleted, the log rebuilds it",
            ) from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise ConfigError(f"no review queue in {parsed.get_backend_name()}", where=url, remedy=_REMEDY)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, OSError) as e:
        raise ConfigError(f"{url!r} can't hold the review queue: {e}", remedy=_REMEDY) from e
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    return engine


_REMEDY = "give a URL such as sqlite:////var/lib/app/review.db or postgresql://user:password@host/database"


def _tune_sqlite(connection: Any, _: object) -> None:
    """Readers don't wait for the writer; losing the last batch in a power cut is fine, the log has it."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _upsert(c: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    make = sqlite.insert if c.dialect.name == "sqlite" else postgresql.insert
    statement = make(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    c.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _meta(c: Connection, name: str) -> str | None:
    return c.scalar(select(META.c.value).where(META.c.name == name))


def _bump(c: Connection) -> None:
    _upsert(c, META, [{"name": "version", "value": str(int(_meta(c, "version") or 0) + 1)}])


def _waiting() -> Any:
    return or_(CASES.c.state == State.OPEN, CASES.c.outcome == "unknown")


def _open_first() -> Any:
    return case((_waiting(), 0), else_=1)


def _which(which: str) -> Any:
    conditions: Iterable[tuple[str, Any]] = (
        (ALL, CASES.c.shown),
        (SETTLED, and_(CASES.c.state != "", CASES.c.state != State.OPEN)),
        (UNRESOLVED, CASES.c.outcome == "unknown"),
        *((s.value, CASES.c.state == s) for s in State),
    )
    found = dict(conditions).get(which)
    if found is None:
        names = ", ".join(name for name, _ in ((ALL, None), (SETTLED, None), (UNRESOLVED, None)))
        raise BadInput(
            f"no state is named {which!r}", remedy=f"use one of {names}, {', '.join(s.value for s in State)}"
        )
    return found
