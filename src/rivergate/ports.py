"""What rivergate needs from the outside, as protocols. Adapters implement them; the kernel knows no others.

Unless a method says otherwise: an object is used by one thread, every method may raise `RivergateError`
(`retryable` tells whether trying again can help), and `close` may be called twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rivergate.domain.clock import Micros
from rivergate.domain.record import BY_KEY, Headers, Output, Record, TopicPartition
from rivergate.domain.span import Span

# --- what a stage is: a pure fold ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """The circumstances of one commit: all that a fold may know beside its state and its records.

    `clock` never goes back for a shard. `stopwatch` gives wall-clock nanoseconds for spans and nothing else:
    what it returns must never reach state or outputs (a replay gets other times).
    """

    app: str
    stage: str
    shard: int
    seq: int
    clock: Micros
    stopwatch: Callable[[], int]


@dataclass(slots=True)
class Outputs:
    """What one commit is going to write, in order. `skipped` are (index in the batch, reason).

    A value longer than `limit_bytes` can't be written: whoever makes it must check.
    """

    records: list[Output] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    limit_bytes: int = 900_000

    def skip(self, index: int, reason: str) -> None:
        """The record can't be taken: it goes to the dead letters. It must have left nothing in the state, counters
        included, since a replay folds the batch without it.
        """
        self.skipped.append((index, reason))


class Fold(Protocol):
    """`(state, records) → (state, outputs)` of one shard: no I/O, no wall clock, no unseeded randomness.

    One thread calls it. After any exception the object is thrown away and rebuilt from the log; it need not
    keep its state consistent then. Equal calls on equal states give equal outputs and equal states, in
    another process too.
    """

    def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
        """Fire the timers that are due at `batch.clock` in order of (deadline, id), then handle the records in
        order. A record whose handling fails raises `RecordFailed(index)`; one that can't be decoded is
        skipped with `out.skip(index, reason)`.
        """

    def next_deadline(self) -> Micros | None:
        """When the earliest timer is due, if there is one."""

    def dump(self) -> bytes:
        """The state, for a snapshot."""

    def load(self, state: bytes) -> None:
        """Inverse of `dump`, on a fresh object. Raises `SnapshotCorrupt`."""

    def digest(self) -> str:
        """Hex SHA-256 of the state in a canonical form: equal states, equal digests, in any process."""


@runtime_checkable
class Adopts(Protocol):
    """A fold that can begin with a model that was imported."""

    def adopt(self, model: bytes) -> None:
        """Take over what this pickle holds, on a fresh object. Its signature was checked. Raises `BadInput`."""


# --- the log -------------------------------------------------------------------------------------------------


class ShardLog(Protocol):
    """One shard's session on the log, with its transactional producer and its consumer (`read_committed`).

    `send_offsets` and `commit` may be called by another thread while the shard's own calls `poll`, and nothing but
    `poll`, until the transaction has ended.
    """

    def open(self) -> None:
        """Fence the previous owner (`init_transactions`). Raises `BrokerUnavailable`."""

    def journal_tail(self, before: int | None = None) -> tuple[bytes, int] | None:
        """The newest committed record of the shard's journal (before an offset) and its offset, or None.

        Only after `open`. Looking further and further back costs little for each record. Replaces what was
        assigned: `seek` before the next `poll`.
        """

    def committed(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, str] | None]:
        """Committed offset and metadata of the stage's group for each partition, None where there is none."""

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on (replaces what was assigned before).

        A partition that is left out isn't read, and nothing is handed out of what had been fetched of it; all of them may
        be left out. So a shard that is braked leaves some out for a while (`kernel.intake`).
        """

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records: waits up to `wait_s` for the first, takes what is there of the rest.

        Records of one partition come in order. Raises `Fenced`, `BrokerUnavailable`.
        """

    def passed(self) -> Mapping[TopicPartition, int]:
        """Up to where polling has passed those partitions of which it has reached the end of committed data.

        The offset includes what stands behind the last record: transaction markers and aborted records. It is never
        below a record that `poll` has handed out, nor beyond one that it hasn't. A later record takes the partition
        out until its next end is reached; `seek` forgets all.
        """

    def begin(self) -> None:
        """Begin the transaction."""

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Write one record into the transaction; `BY_KEY` leaves the partition to murmur2 of the key."""

    def write_journal(self, value: bytes) -> None:
        """Write the commit record. Its append time and offset are known after `commit`."""

    def journal_appended(self) -> tuple[int, int]:
        """(offset, broker's append time in ms) of the commit record of the last transaction.

        Raises `CommitUnknown` where the broker didn't say: it's the journal that tells.
        """

    def send_offsets(self, offsets: Mapping[TopicPartition, int], metadata: str) -> None:
        """Commit these input offsets with the transaction."""

    def commit(self) -> None:
        """Commit. Raises `Fenced`, `TransactionAborted` (nothing was written) or `CommitUnknown`."""

    def abort(self) -> None:
        """Abort. Raises `Fenced` or `CommitUnknown`."""

    def recycle(self) -> None:
        """Destroy the producer and fence anew: after any timeout of a commit or abort, before the next `begin`."""

    def close(self) -> None:
        """Give up the session: an open transaction is aborted by the next owner or by the broker's timeout."""


class Lag(Protocol):
    """How far a group is behind on partitions that it reads. Never waits and never raises: what can't be learnt now, since
    the broker is away or slow, is asked again later.

    Behind is the distance from the committed offset to the end, markers and what is being written included. Where the
    broker knows no committed offset, it is that from the offset that it knew last, else from the end at the first look.
    """

    def ask(self) -> bool:
        """Begin to ask; False, and nothing happens, while an answer is awaited. An answer counts all that was committed
        before it was asked for.
        """

    def answer(self) -> Mapping[TopicPartition, int] | None:
        """The answer, once, when it has come; partitions of which nothing could be learnt aren't in it."""


class Tail(Protocol):
    """Follows partitions as committed data, without group and without offsets on the broker: for sinks and views."""

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """The topic's partitions. Raises `UnknownTopic`."""

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on (replaces what was assigned before)."""

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Like `ShardLog.poll`."""

    def passed(self) -> Mapping[TopicPartition, int]:
        """Like `ShardLog.passed`."""

    def close(self) -> None:
        """Release the connections."""


class LogReader(Protocol):
    """Reads committed records by range, with the time that each is stamped with: for recovery and replay."""

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterable[Record]:
        """Committed records with `start <= offset < end`, in order. Calls for one partition come with ascending
        ranges where possible. Raises `RecordsRemoved` where retention has removed part of the range, be it before the
        first record or while it is read; other partitions can be read on.
        """

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """All committed records from `start` (or the low watermark, if later) to the end as of now."""

    def close(self) -> None:
        """Release the connections."""


class LogArchive(LogReader, Protocol):
    """A reader that also finds its way about the log: for looking up what was written, and where."""

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark of committed data."""

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """The topic's partitions. Raises `UnknownTopic`."""

    def offset_at(self, partition: TopicPartition, at: Micros) -> int:
        """Offset of the first record that is stamped with this time or a later one; the end where there is none."""


class Writer(Protocol):
    """An idempotent producer with acks=all, outside transactions: the door, the review service, operators."""

    def send(self, record: Output, headers: Headers) -> tuple[int, int]:
        """Write and wait until it is durable; returns (partition, offset). Raises `BrokerUnavailable`, `BadInput`."""

    def close(self) -> None:
        """Flush and release the connections."""


# --- storage, time, processes --------------------------------------------------------------------------------


class Blobs(Protocol):
    """Durable bytes by name (slash-separated). Any thread."""

    def put(self, name: str, content: bytes) -> None:
        """Store durably and atomically; storing equal content again is fine."""

    def get(self, name: str, limit: int | None = None) -> bytes:
        """The bytes, or the first `limit` of them. Raises `KeyError` where there are none."""

    def names(self, prefix: str) -> list[str]:
        """Names below a prefix, sorted."""

    def delete(self, name: str) -> None:
        """Remove; nothing happens where there is none."""


class Sink(Protocol):
    """Writes records into a database together with the offset after them, in one database transaction."""

    def positions(self) -> Mapping[TopicPartition, int]:
        """Next offset to read for each partition that was ever written."""

    def write(self, records: Sequence[Record]) -> None:
        """Store the records and the positions after them, all or nothing. Order within a partition holds."""


Clock = Callable[[], Micros]
"""Wall clock in microseconds."""

__all__ = [
    "BY_KEY",
    "Adopts",
    "Batch",
    "Blobs",
    "Clock",
    "Fold",
    "Lag",
    "LogArchive",
    "LogReader",
    "Outputs",
    "ShardLog",
    "Sink",
    "Tail",
    "Writer",
]
