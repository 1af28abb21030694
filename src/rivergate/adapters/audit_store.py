"""The audit store: a view of the log in one SQLite file, written by a sink and read by anybody meanwhile."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from rivergate.adapters.audit_schema import AUDITED, DROP, SCHEMA_VERSION, TABLES, Row, decision_row, span_rows
from rivergate.audit.errors import AuditStoreUnavailable
from rivergate.audit.stored import StoredSpan
from rivergate.domain import names
from rivergate.domain.clock import rfc3339, to_micros
from rivergate.domain.record import Record, TopicPartition
from rivergate.kernel.sink import SinkDriver
from rivergate.ports import Clock, Tail

_LOG = logging.getLogger("rivergate.audit")
_INT64 = (1 << 63) - 1


def audit_topics(app: str) -> list[str]:
    """Full names of the topics that the audit store keeps."""
    return [names.topic(app, n) for n in (*AUDITED, names.OTLP_SPANS)]


def _wall() -> int:
    return to_micros(datetime.now(UTC))


class AuditStore:
    """Implements `ports.Sink`: exact bytes, an index of them, and the positions, in one transaction a batch.

    `log_identity` names the log that it is a view of. A file that is a view of another log, or of another
    schema, is emptied and filled anew; `rebuilt` says why, and `notes` keeps the sentence. One thread at a time.
    Raises `AuditStoreUnavailable` where the disk is full or another process holds the file.
    """

    def __init__(self, path: Path, app: str, log_identity: str, *, clock: Clock = _wall) -> None:
        self._path = path
        self._app = app
        self._clock = clock
        self.rebuilt = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA cache_size = -65536")
            self._open(log_identity)
        self._positions = self._read_positions()

    # --- ports.Sink ----------------------------------------------------------------------------------------

    def positions(self) -> Mapping[TopicPartition, int]:
        """See `ports.Sink.positions`."""
        return dict(self._positions)

    def write(self, records: Sequence[Record]) -> None:
        """See `ports.Sink.write`. Records before the stored position are left out: they are there already."""
        after = dict(self._positions)
        new: list[Record] = []
        for r in records:
            if r.offset >= after.get((r.topic, r.partition), 0):
                new.append(r)
                after[r.topic, r.partition] = r.offset + 1
        with self._transaction():
            self._insert(new)
            self._move(after)
        self._positions = after

    # --- the view's own life -------------------------------------------------------------------------------

    def compare(self, watermarks: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Hold the positions against the log's: what lies beyond its end empties the view; what retention removed
        before it was stored is noted, once: the position moves behind it.
        """
        for (topic, partition), (low, high) in watermarks.items():
            at = self._positions.get((topic, partition))
            if at is not None and at > high:
                self._rebuild(
                    f"its position {at} lies beyond the end {high} of {topic}/{partition}: this is another log"
                )
                return
            if low > (at or 0):
                self._note(
                    f"retention removed {topic}/{partition} from {at or 0} to {low} before the audit store read it"
                    " (markers of transactions among them)",
                    {(topic, partition): low},
                )

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()

    def _open(self, log_identity: str) -> None:
        meta = self._meta()
        wanted = {"schema": str(SCHEMA_VERSION), "log": log_identity, "app": self._app}
        self._wanted = wanted
        if not meta:
            self._create()
        elif meta.get("schema") != wanted["schema"]:
            self._rebuild(f"its schema is version {meta.get('schema')}, this program's is {SCHEMA_VERSION}")
        elif meta.get("log") != log_identity:
            self._rebuild(f"it was a view of log {meta.get('log')!r}, this log is {log_identity!r}")
        elif meta.get("app") != self._app:
            self._rebuild(f"it was a view of app {meta.get('app')!r}, this app is {self._app!r}")

    def _meta(self) -> dict[str, str]:
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return {}
        return dict(self._db.execute("SELECT key, value FROM meta"))

    def _create(self) -> None:
        self._db.executescript("BEGIN IMMEDIATE;" + DROP + TABLES)
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", list(self._wanted.items()))
        self._db.execute("COMMIT")

    def _rebuild(self, why: str) -> None:
        self.rebuilt = why
        with self._guarded():
            self._create()
        self._positions = {}
        self._note(f"rebuilt from the log: {why}")

    def _note(self, text: str, moved: Mapping[TopicPartition, int] = MappingProxyType({})) -> None:
        """Keep the sentence, and with it the positions that it is about."""
        _LOG.warning("audit store %s: %s", self._path, text)
        with self._transaction():
            self._db.execute("INSERT INTO notes VALUES (?, ?)", (rfc3339(self._clock()), text))
            self._move(moved)
        self._positions |= moved

    def _move(self, positions: Mapping[TopicPartition, int]) -> None:
        rows = [(topic, partition, at) for (topic, partition), at in positions.items()]
        self._db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", rows)

    def _read_positions(self) -> dict[TopicPartition, int]:
        return {(t, p): at for t, p, at in self._db.execute("SELECT topic, partition, next FROM positions")}

    # --- rows ----------------------------------------------------------------------------------------------

    def _insert(self, records: Sequence[Record]) -> None:
        spans_topic = names.topic(self._app, names.OTLP_SPANS)
        prefix = f"{self._app}."
        decisions: list[Row] = []
        [(row_id,)] = self._db.execute("SELECT coalesce(max(id), 0) FROM span_records")
        span_records: list[Row] = []
        found: list[tuple[int, int, StoredSpan]] = []
        for r in records:
            if r.topic != spans_topic:
                decisions.append(decision_row(r, r.topic.removeprefix(prefix)))
                continue
            row_id += 1
            row, spans = span_rows(r, row_id)
            span_records.append(row)
            found += [(row_id, place, s) for place, s in enumerate(spans)]
        insert = self._db.executemany
        insert("INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", decisions)
        insert("INSERT INTO span_records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", span_records)
        insert("INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [_span_row(*x) for x in found])
        insert("INSERT OR IGNORE INTO span_proposals VALUES (?, ?, ?, ?)", list(_proposal_rows(found)))
        insert("INSERT OR IGNORE INTO span_links VALUES (?, ?, ?)", list(_link_rows(found)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as e:
            raise AuditStoreUnavailable(
                f"the audit store can't be written: {e}",
                where=str(self._path),
                remedy="make room on the disk, or end what else holds the file; the log keeps everything until then",
            ) from e
        except sqlite3.DatabaseError as e:
            raise AuditStoreUnavailable(
                f"the audit store is damaged: {e}",
                where=str(self._path),
                remedy="move the file away; it is a view and will be filled again from the log",
            ) from e


def _span_row(record: int, place: int, s: StoredSpan) -> Row:
    event_id = s.attributes.get("rivergate.event.id")
    return (
        record,
        place,
        bytes.fromhex(s.trace_id),
        bytes.fromhex(s.span_id),
        bytes.fromhex(s.parent_id) or None,
        s.name,
        s.service,
        s.kind,
        min(s.start_ns, _INT64),
        min(s.end_ns, _INT64),
        s.error,
        event_id if isinstance(event_id, str) else None,
    )


def _proposal_rows(found: Sequence[tuple[int, int, StoredSpan]]) -> Iterator[Row]:
    for record, place, s in found:
        if "rivergate.proposal.id" in s.attributes:
            for proposal_id in s.proposal_ids:
                yield proposal_id, record, place, bytes.fromhex(s.trace_id)


def _link_rows(found: Sequence[tuple[int, int, StoredSpan]]) -> Iterator[Row]:
    for record, place, s in found:
        for trace_id, _ in s.links:
            if trace_id != s.trace_id:
                yield bytes.fromhex(trace_id), record, place


def run_audit(
    tail: Tail,
    store: AuditStore,
    topics: Sequence[str],
    stop: threading.Event,
    *,
    on_batch: Callable[[int], None] | None = None,
) -> None:
    """Fill the store from the log until `stop` is set: first see that it is a view of this log, then follow it."""
    partitions = [tp for topic in topics for tp in tail.partitions(topic)]
    store.compare({tp: tail.watermarks(tp) for tp in partitions})
    SinkDriver(tail, store, topics, on_batch=on_batch).run(stop)
