"""Tables of the review queue's view. What a case means is computed; the columns are there to find it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, MetaData, String, Table, Text, inspect

from rivergate.domain.clock import parse_rfc3339
from rivergate.review.case import Case

VERSION = "2"
"""Of the tables and of what is computed into them: a database of another version is emptied and rebuilt."""

_TABLES = MetaData()

META = Table(
    "review_meta", _TABLES, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False)
)

POSITIONS = Table(
    "review_positions",
    _TABLES,
    Column("topic", String(255), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)

CASES = Table(
    "review_cases",
    _TABLES,
    Column("proposal_id", String(64), primary_key=True),
    Column("shown", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("in_flight", Boolean, nullable=False),
    Column("kind", String(255), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Index("review_cases_queue", "state", "expires_at"),
    Index("review_cases_outcome", "outcome"),
    Index("review_cases_last", "last_at"),
)


def make(c: Connection) -> bool:
    """Create the tables; True where a database of another version was emptied for it."""
    if not inspect(c).has_table(META.name):
        _TABLES.create_all(c)
        c.execute(META.insert().values(name="schema", value=VERSION))
        return False
    found = c.scalar(META.select().where(META.c.name == "schema").with_only_columns(META.c.value))
    if found == VERSION:
        return False
    _TABLES.drop_all(c)
    _TABLES.create_all(c)
    c.execute(META.insert().values(name="schema", value=VERSION))
    return True


def row_of(case: Case) -> dict[str, Any]:
    """The case as a row of `CASES`."""
    about, opened, newest = case.about, case.get("opened"), case.outcome
    kind = str(about.value["kind"]) if about else ""
    return {
        "proposal_id": case.proposal_id,
        "shown": case.shown,
        "state": case.state or "",
        "outcome": newest.value["status"] if newest else "",
        "in_flight": case.in_flight,
        "kind": kind.replace("\x00", "\ufffd")[:255],  # PostgreSQL's text can't hold NUL
        "expires_at": case.expires_at or 0,
        "opened_at": parse_rfc3339(opened.at) if opened else 0,
        "last_at": case.last_at,
        "document": case.to_json().decode(),
    }
