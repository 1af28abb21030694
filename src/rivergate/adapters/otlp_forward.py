"""Forwards spans from the log to an OTLP/HTTP receiver, Jaeger for one: the exact bytes, in order, none dropped."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from rivergate.audit.errors import AuditStoreUnavailable, ReceiverUnavailable
from rivergate.domain.errors import ConfigError
from rivergate.domain.record import Record, TopicPartition
from rivergate.kernel.sink import SinkDriver
from rivergate.ports import Tail

_LOG = logging.getLogger("rivergate.otlp")

MAX_REQUEST_BYTES = 1024 * 1024
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 30.0
TIMEOUT_S = 10.0

_WRONG_PLACE = {401, 403, 404, 405, 407}
"""The receiver is there and isn't ours to use so: no span is at fault, so all of them wait."""
_BAD_SPANS = {400, 411, 413, 415, 422}
"""The receiver won't ever take these bytes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS log (endpoint TEXT PRIMARY KEY, identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    endpoint TEXT, topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (endpoint, topic, partition));
CREATE TABLE IF NOT EXISTS refused (
    endpoint TEXT, topic TEXT, partition INTEGER, offset INTEGER, status INTEGER, answer TEXT,
    PRIMARY KEY (endpoint, topic, partition, offset));
"""


def traces_url(endpoint: str) -> str:
    """`http://host:4318` → `http://host:4318/v1/traces`; an address with a path stays. Raises `ConfigError`."""
    given = endpoint if "://" in endpoint else f"http://{endpoint}"
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"{endpoint!r} isn't the address of an OTLP receiver", remedy="give one like http://localhost:4318"
        )
    path = parts.path if parts.path.strip("/") else "/v1/traces"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


class OtlpForwarder:
    """Implements `ports.Sink`: positions are kept in a small SQLite file, one set for each receiver.

    `write` returns once the receiver has taken the records, trying again with growing pauses for as long as it
    takes; it gives up with `ReceiverUnavailable` only when `stop` is set. At least once: a crash between the
    receiver's answer and the noted position sends one request again, and receivers know spans by their ids.
    A record that the receiver calls malformed is noted in the table `refused`, logged, and passed over, since
    it would block all that follow; its bytes stay in the log and in the audit store.
    """

    def __init__(
        self,
        endpoint: str,
        path: Path,
        log_identity: str,
        stop: threading.Event,
        *,
        headers: Mapping[str, str] | None = None,
        http: httpx.Client | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.url = traces_url(endpoint)
        self.rejected_spans = 0
        """Spans that the receiver said it had rejected from requests it took."""
        self._stop = stop
        self._wait = wait or stop.wait
        self._headers = {"content-type": "application/x-protobuf", **(headers or {})}
        self._http = http or httpx.Client(timeout=TIMEOUT_S)
        self._delivered: dict[TopicPartition, int] = {}
        """Where the receiver has come to, noted or not."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
            self._check_identity(log_identity)

    def positions(self) -> Mapping[TopicPartition, int]:
        """See `ports.Sink.positions`."""
        with self._guarded():
            rows = self._db.execute("SELECT topic, partition, next FROM positions WHERE endpoint = ?", (self.url,))
            return {(topic, partition): at for topic, partition, at in rows}

    def write(self, records: Sequence[Record]) -> None:
        """See `ports.Sink.write`. Whole requests go one by one, and each is noted as soon as it was taken. What was taken
        and couldn't be noted comes again: it is noted now, and not sent again.
        """
        for group in _groups(records):
            new = [r for r in group if r.offset >= self._delivered.get((r.topic, r.partition), 0)]
            if new:
                self._deliver(new)
            self._note(group)

    def refused(self) -> list[tuple[str, int, int, int, str]]:
        """(topic, partition, offset, status, answer) of records that the receiver called malformed."""
        with self._guarded():
            sql = "SELECT topic, partition, offset, status, answer FROM refused WHERE endpoint = ? ORDER BY 1, 2, 3"
            return list(self._db.execute(sql, (self.url,)))

    def compare(self, watermarks: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Start anew where a position lies beyond the log's end: it is another log."""
        for tp, at in self.positions().items():
            if tp in watermarks and at > watermarks[tp][1]:
                self._start_anew(f"position {at} lies beyond the end of {tp[0]}/{tp[1]}")
                return

    def close(self) -> None:
        """Close the connections and the file."""
        self._http.close()
        self._db.close()

    # --- delivering ----------------------------------------------------------------------------------------

    def _deliver(self, records: Sequence[Record]) -> None:
        body = b"".join(r.value or b"" for r in records)  # concatenated TracesData messages are one TracesData
        answer = self._post_until_answered(body)
        if answer.is_success:
            self._delivered |= _ends_of(records)
            self._look_at(answer)
        elif len(records) > 1:
            for r in records:
                self._deliver([r])
                self._note([r])
        else:
            self._refuse(records[0], answer)
            self._delivered |= _ends_of(records)

    def _post_until_answered(self, body: bytes) -> httpx.Response:
        """The receiver's answer: it took the bytes, or never will."""
        delay, down = FIRST_DELAY_S, ""
        while not self._stop.is_set():
            pause = delay
            try:
                answer = self._http.post(self.url, content=body, headers=self._headers)
            except httpx.HTTPError as e:
                trouble = f"{type(e).__name__}: {e}"
            else:
                if answer.is_success or answer.status_code in _BAD_SPANS:
                    if down:
                        _LOG.warning("%s takes spans again", self.url)
                    return answer
                trouble = f"status {answer.status_code}: {answer.text[:200]}"
                pause = max(delay, _retry_after(answer))
            if trouble != down:
                _LOG.warning(
                    "spans wait in the log, %s doesn't take them (%s)\n→ %s", self.url, trouble, _remedy(trouble)
                )
                down = trouble
            self._wait(pause)
            delay = min(delay * 2, LONGEST_DELAY_S)
        raise ReceiverUnavailable("the forwarder ends; what wasn't sent waits in the log", where=self.url)

    def _look_at(self, answer: httpx.Response) -> None:
        """A receiver may take a request and reject some spans of it: it must be asked no more, but said."""
        if "protobuf" not in answer.headers.get("content-type", "") or not answer.content:
            return
        try:
            partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        except Exception:  # noqa: BLE001 - what isn't readable says nothing, and the status said success
            return
        if partial.rejected_spans:
            self.rejected_spans += partial.rejected_spans
            _LOG.warning("%s rejected %d spans: %s", self.url, partial.rejected_spans, partial.error_message)

    def _refuse(self, record: Record, answer: httpx.Response) -> None:
        _LOG.error("%s refuses %s for good: status %d", self.url, record.position, answer.status_code)
        with self._guarded():
            self._db.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?)",
                (self.url, *record.position, answer.status_code, answer.text[:1000]),
            )

    # --- positions -----------------------------------------------------------------------------------------

    def _note(self, records: Sequence[Record]) -> None:
        rows = [(self.url, topic, partition, at) for (topic, partition), at in _ends_of(records).items()]
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _check_identity(self, identity: str) -> None:
        found = self._db.execute("SELECT identity FROM log WHERE endpoint = ?", (self.url,)).fetchone()
        if found is not None and found[0] != identity:
            self._start_anew("this is another log than before")
        self._db.execute("INSERT OR REPLACE INTO log VALUES (?, ?)", (self.url, identity))

    def _start_anew(self, why: str) -> None:
        _LOG.warning("forwarding to %s starts at the log's beginning: %s", self.url, why)
        self._delivered.clear()
        self._db.execute("DELETE FROM positions WHERE endpoint = ?", (self.url,))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as e:
            raise AuditStoreUnavailable(
                f"the forwarder's positions can't be kept: {e}",
                where=str(self._path),
                remedy="make room on the disk, or move the file away: forwarding then starts at the log's beginning",
            ) from e


def _groups(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records in order, as many as fit into one request."""
    group: list[Record] = []
    size = 0
    for r in records:
        length = len(r.value or b"")
        if group and size + length > MAX_REQUEST_BYTES:
            yield group
            group, size = [], 0
        group.append(r)
        size += length
    if group:
        yield group


def _ends_of(records: Sequence[Record]) -> dict[TopicPartition, int]:
    return {(r.topic, r.partition): r.offset + 1 for r in records}


def _retry_after(answer: httpx.Response) -> float:
    """The pause that the receiver asks for, at most a minute."""
    try:
        return min(float(answer.headers.get("retry-after", "0")), 60.0)
    except ValueError:
        return 0.0


def _remedy(trouble: str) -> str:
    if trouble.startswith("status") and int(trouble[7:10]) in _WRONG_PLACE:
        return "see that the address is an OTLP/HTTP receiver's (port 4318, not gRPC's 4317) and its credentials hold"
    return "start the receiver, or wait: spans go out in order once it answers"


def run_forwarder(tail: Tail, forwarder: OtlpForwarder, topics: Sequence[str], stop: threading.Event) -> None:
    """Forward until `stop` is set: first see that the positions are of this log, then follow it."""
    partitions = [tp for topic in topics for tp in tail.partitions(topic)]
    forwarder.compare({tp: tail.watermarks(tp) for tp in partitions})
    SinkDriver(tail, forwarder, topics).run(stop)
