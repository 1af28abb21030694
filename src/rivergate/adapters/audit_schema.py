"""Tables of the audit store, and what a record becomes in them."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from rivergate.audit.reading import spans_of
from rivergate.audit.stored import StoredSpan
from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Headers, Record

SCHEMA_VERSION = 1

AUDITED = (
    names.PROPOSALS,
    names.REVIEWS,
    names.DECISIONS,
    names.ACTIONS,
    names.DENIALS,
    names.OUTCOMES,
    names.LABELS,
    names.DEAD_LETTERS,
)
"""System topics whose records are kept, in the order of a proposal's way; `otlp_spans` comes with them."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE notes (at TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE positions (
    topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;

CREATE TABLE span_records (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    commit_ref TEXT NOT NULL, sha256 BLOB NOT NULL, raw BLOB, quarantined TEXT,
    UNIQUE (topic, partition, offset));
CREATE TABLE spans (
    record INTEGER NOT NULL REFERENCES span_records, place INTEGER NOT NULL, trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL, parent_id BLOB, name TEXT NOT NULL, service TEXT NOT NULL, kind INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, error TEXT, event_id TEXT,
    PRIMARY KEY (record, place)) WITHOUT ROWID;
CREATE INDEX spans_by_trace ON spans (trace_id);
CREATE INDEX spans_by_event ON spans (event_id) WHERE event_id IS NOT NULL;
CREATE TABLE span_proposals (
    proposal_id TEXT, record INTEGER, place INTEGER, trace_id BLOB NOT NULL,
    PRIMARY KEY (proposal_id, record, place)) WITHOUT ROWID;
CREATE TABLE span_links (
    linked BLOB, record INTEGER, place INTEGER, PRIMARY KEY (linked, record, place)) WITHOUT ROWID;

CREATE TABLE records (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    name TEXT NOT NULL, ce_type TEXT NOT NULL, ce_time TEXT NOT NULL, traceparent TEXT NOT NULL,
    proposal_id TEXT, event_id TEXT, key BLOB, raw BLOB, headers BLOB NOT NULL, fault TEXT NOT NULL,
    UNIQUE (topic, partition, offset));
CREATE INDEX records_by_proposal ON records (proposal_id) WHERE proposal_id IS NOT NULL;
CREATE INDEX records_by_event ON records (event_id) WHERE event_id IS NOT NULL;
"""

DROP = "".join(
    f"DROP TABLE IF EXISTS {table};"
    for table in ("span_links", "span_proposals", "spans", "span_records", "records", "positions", "notes", "meta")
)

Row = tuple[Any, ...]


def span_rows(record: Record, row_id: int) -> tuple[Row, list[StoredSpan]]:
    """The row of a span record and the spans in it, none where it is malformed (the row then says why)."""
    raw = record.value or b""
    spans: list[StoredSpan] = []
    quarantined = None
    try:
        spans = spans_of(raw, record.position)
    except BadInput as e:
        quarantined = e.what
    commit = (record.header("rg_commit") or b"").decode(errors="replace")
    digest = hashlib.sha256(raw).digest()
    return (row_id, *record.position, commit, digest, record.value, quarantined), spans


def decision_row(record: Record, name: str) -> Row:
    """The row of a decision record; one whose value can't be read is kept with the fault."""
    value, fault = _value_of(record, name)
    letter = name == names.DEAD_LETTERS
    origin = _header(record, "rg_first_origin") or _header(record, "rg_origin")
    event_id = origin if letter else value.get("event_id")
    return (
        *record.position,
        name,
        record.ce_type,
        _header(record, "ce_time"),
        _header(record, "traceparent"),
        _text_or_none(value.get("proposal_id")),
        _text_or_none(event_id),
        record.key,
        record.value,
        pack_headers(record.headers),
        fault,
    )


def _value_of(record: Record, name: str) -> tuple[dict[str, Any], str]:
    try:
        value = orjson.loads(record.value or b"")
    except ValueError as e:
        value, fault = None, f"not JSON: {e}"
    else:
        fault = "" if isinstance(value, dict) else "not a JSON object"
    if name == names.DEAD_LETTERS:
        fault = (record.header("rg_reason") or b"").decode(errors="replace")
    return (value if isinstance(value, dict) else {}), fault


def _header(record: Record, name: str) -> str:
    return (record.header(name) or b"").decode(errors="replace")


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def pack_headers(headers: Headers | None) -> bytes:
    """Headers in order as JSON, values in hex: exact, and readable without us."""
    return orjson.dumps([[k, v.hex() if v is not None else None] for k, v in headers or ()])


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """Inverse of `pack_headers`; a header without a value becomes an empty one."""
    return tuple((k, bytes.fromhex(v or "")) for k, v in orjson.loads(packed))
