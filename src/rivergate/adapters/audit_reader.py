"""Questions to the audit store's file, asked read-only while the sink writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rivergate.adapters.audit_schema import AUDITED, SCHEMA_VERSION, unpack_headers
from rivergate.audit.errors import AuditStoreUnavailable, NoAuditStore
from rivergate.audit.reading import spans_of
from rivergate.audit.stored import Named, StoredRecord, StoredSpan
from rivergate.domain.ids import trace_id_of
from rivergate.domain.record import Position, TopicPartition

_HEX = frozenset("0123456789abcdef")
_PLACE = {name: place for place, name in enumerate(AUDITED)}
_RECORDS = (
    "SELECT topic, partition, offset, name, ce_type, ce_time, traceparent, coalesce(proposal_id, ''),"
    " coalesce(event_id, ''), key, raw, headers, fault FROM records"
)


class SqliteAuditReader:
    """Implements `audit.ports.AuditReader`. Raises `NoAuditStore` where there is none of this version."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise NoAuditStore(
                "no audit store here",
                where=str(path),
                remedy="start the app (`rivergate up` or `rivergate demo`), or name its folder with --data-dir",
            )
        with self._guarded():
            self._db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=10)
            found = self._schema()
        if found != str(SCHEMA_VERSION):
            self._db.close()
            raise NoAuditStore(
                f"the audit store has schema {found}, this program reads {SCHEMA_VERSION}",
                where=str(path),
                remedy="start the app with this version of rivergate: it fills the store again from the log",
            )

    def _schema(self) -> str | None:
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return None
        [(value,)] = self._db.execute("SELECT value FROM meta WHERE key = 'schema'")
        return str(value)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def app(self) -> str:
        """The app whose log it is a view of."""
        return str(self._all("SELECT value FROM meta WHERE key = 'app'")[0][0])

    def positions(self) -> dict[TopicPartition, int]:
        """Where the store has come to: the next offset of each partition of which it has read anything."""
        return {(t, p): at for t, p, at in self._all("SELECT topic, partition, next FROM positions")}

    def find(self, prefix: str, limit: int = 10) -> Sequence[Named]:
        """See `AuditReader.find`."""
        return self._exactly(prefix) or self._beginning(prefix, limit)

    def trace(self, trace_id: str) -> Sequence[StoredSpan]:
        """See `AuditReader.trace`."""
        places = self._all("SELECT record, place FROM spans WHERE trace_id = ?", bytes.fromhex(trace_id))
        return self._spans(places)

    def linking_to(self, trace_id: str) -> Sequence[StoredSpan]:
        """See `AuditReader.linking_to`."""
        return self._spans(self._all("SELECT record, place FROM span_links WHERE linked = ?", bytes.fromhex(trace_id)))

    def records_of(self, proposal_id: str) -> Sequence[StoredRecord]:
        """See `AuditReader.records_of`."""
        return self._records("WHERE proposal_id = ?", proposal_id)

    def records_about(self, event_id: str) -> Sequence[StoredRecord]:
        """See `AuditReader.records_about`."""
        return self._records("WHERE event_id = ?", event_id)

    def counts(self) -> dict[str, int]:
        """See `AuditReader.counts`."""
        found = dict.fromkeys(AUDITED, 0) | dict(self._all("SELECT name, count(*) FROM records GROUP BY name"))
        [(found["spans"],)] = self._all("SELECT count(*) FROM spans")
        [(found["quarantined"],)] = self._all("SELECT count(*) FROM span_records WHERE quarantined IS NOT NULL")
        return found

    def notes(self) -> Sequence[tuple[str, str]]:
        """See `AuditReader.notes`."""
        return [(at, text) for at, text in self._all("SELECT at, text FROM notes ORDER BY rowid")]

    def raw_spans(self, position: Position) -> tuple[bytes, bytes, str | None] | None:
        """(exact bytes, SHA-256, why quarantined) of a span record, or None."""
        rows = self._all(
            "SELECT raw, sha256, quarantined FROM span_records WHERE topic = ? AND partition = ? AND offset = ?",
            *position,
        )
        return rows[0] if rows else None

    # --- ids -----------------------------------------------------------------------------------------------

    def _exactly(self, text: str) -> list[Named]:
        found = []
        if len(text) == 32 and _HEX.issuperset(text):
            if self._all("SELECT 1 FROM spans WHERE trace_id = ? LIMIT 1", bytes.fromhex(text)):
                found.append(Named("trace", text, text))
            if self._known_proposal(text):
                found.append(Named("proposal", text, self._trace_of_proposal(text)))
        if self._all(
            "SELECT 1 FROM spans WHERE event_id = ? UNION SELECT 1 FROM records WHERE event_id = ?", text, text
        ):
            found.append(Named("event", text, self._trace_of_event(text)))
        return found

    def _beginning(self, prefix: str, limit: int) -> list[Named]:
        found: list[Named] = []
        low, high = prefix, prefix + "\U0010ffff"
        if prefix and _HEX.issuperset(prefix):
            first, last = bytes.fromhex(prefix.ljust(32, "0")[:32]), bytes.fromhex(prefix.ljust(32, "f")[:32])
            sql = "SELECT DISTINCT trace_id FROM spans WHERE trace_id BETWEEN ? AND ? LIMIT ?"
            found += [Named("trace", t.hex(), t.hex()) for (t,) in self._all(sql, first, last, limit)]
            sql = (
                "SELECT proposal_id FROM records WHERE proposal_id >= ? AND proposal_id < ? UNION"
                " SELECT proposal_id FROM span_proposals WHERE proposal_id >= ? AND proposal_id < ? LIMIT ?"
            )
            rows = self._all(sql, low, high, low, high, limit)
            found += [Named("proposal", p, self._trace_of_proposal(p)) for (p,) in rows]
        if prefix:
            sql = (
                "SELECT event_id FROM records WHERE event_id >= ? AND event_id < ? UNION"
                " SELECT event_id FROM spans WHERE event_id >= ? AND event_id < ? LIMIT ?"
            )
            rows = self._all(sql, low, high, low, high, limit)
            found += [Named("event", e, self._trace_of_event(e)) for (e,) in rows]
        return found

    def _known_proposal(self, pid: str) -> bool:
        sql = (
            "SELECT 1 FROM records WHERE proposal_id = ? UNION"
            " SELECT 1 FROM span_proposals WHERE proposal_id = ? LIMIT 1"
        )
        return bool(self._all(sql, pid, pid))

    def _trace_of_proposal(self, pid: str) -> str:
        rows = self._all("SELECT trace_id FROM span_proposals WHERE proposal_id = ? LIMIT 1", pid)
        if rows:
            return str(rows[0][0].hex())
        sql = "SELECT traceparent FROM records WHERE proposal_id = ? AND length(traceparent) >= 55 ORDER BY id LIMIT 1"
        rows = self._all(sql, pid)
        return str(rows[0][0])[3:35] if rows else ""

    def _trace_of_event(self, event_id: str) -> str:
        rows = self._all("SELECT trace_id FROM spans WHERE event_id = ? ORDER BY start_ns LIMIT 1", event_id)
        return str(rows[0][0].hex()) if rows else trace_id_of(event_id)

    # --- rows ----------------------------------------------------------------------------------------------

    def _spans(self, places: Sequence[tuple[int, int]]) -> list[StoredSpan]:
        wanted: dict[int, list[int]] = {}
        for record, place in places:
            wanted.setdefault(record, []).append(place)
        found: list[StoredSpan] = []
        for record, chosen in wanted.items():
            [(topic, partition, offset, raw)] = self._all(
                "SELECT topic, partition, offset, raw FROM span_records WHERE id = ?", record
            )
            spans = spans_of(raw, Position(topic, partition, offset))
            found += [spans[place] for place in chosen]
        return sorted(found, key=lambda s: (s.start_ns, s.end_ns, s.span_id))

    def _records(self, where: str, value: str) -> list[StoredRecord]:
        found = []
        for t, p, o, name, ce_type, ce_time, parent, pid, event_id, key, raw, headers, fault in self._all(
            f"{_RECORDS} {where} ORDER BY id", value
        ):
            found.append(
                StoredRecord(
                    Position(t, p, o),
                    name,
                    ce_type,
                    ce_time,
                    parent,
                    pid,
                    event_id,
                    key,
                    raw,
                    unpack_headers(headers),
                    fault,
                )
            )
        return sorted(found, key=lambda r: (r.ce_time, _PLACE.get(r.name, 99), r.position.partition, r.position.offset))

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._guarded():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as e:
            raise AuditStoreUnavailable(
                f"the audit store can't be read: {e}",
                where=str(self._path),
                remedy="try again; if it stays so, move the file away: it is a view, filled again from the log",
            ) from e
