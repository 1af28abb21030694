"""A log in memory: transactions, fencing and `read_committed` as Kafka has them, without a broker.

`MemoryBroker` is the log itself. `shard_log`, `reader` and `tail` give what the kernel's ports ask for; the
suite in `tests/conformance/shard_log` runs against these and against Kafka.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rivergate.domain.clock import Micros
from rivergate.domain.errors import RecordsRemoved, UnknownTopic
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import BY_KEY, Headers, Record, TopicPartition


class Fate(Enum):
    """How a commit is to end, for tests of what comes after."""

    ABORTED = "aborted"
    UNKNOWN_BUT_COMMITTED = "unknown, but committed"
    UNKNOWN_AND_OPEN = "unknown, and still open"


@dataclass(slots=True)
class _Slot:
    """One offset: a record, or a transaction's marker (no record)."""

    record: Record | None
    transaction: Transaction | None = None

    @property
    def readable(self) -> bool:
        return self.record is not None and (self.transaction is None or self.transaction.state == "committed")


@dataclass(slots=True, eq=False)
class Transaction:
    """A transaction and what it touches."""

    state: str = "open"
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[tuple[str, TopicPartition], tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Partition:
    slots: list[_Slot] = field(default_factory=list)
    low: int = 0

    def stable_end(self) -> int:
        """First offset that a reader of committed data may not pass."""
        for at in range(self.low, len(self.slots)):
            transaction = self.slots[at].transaction
            if transaction is not None and transaction.state == "open":
                return at
        return len(self.slots)


class MemoryBroker:
    """Topics and transactions in memory. Any thread.

    `clock_ms` stamps records. With `auto_create` unknown topics come into being with that many partitions;
    without it they raise `UnknownTopic`, as a broker does that doesn't create topics by itself.
    """

    def __init__(
        self, topics: Mapping[str, int] | None = None, *, auto_create: int = 0, clock_ms: Callable[[], int] = lambda: 0
    ) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.fates: list[Fate] = []
        """Ends of the next commits, first to last; a test fills it."""
        self.offsets: dict[tuple[str, TopicPartition], tuple[int, str]] = {}
        """Committed offsets with their metadata by group and partition."""
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._counts: dict[str, int] = {}
        self._auto_create = auto_create
        self._clock_ms = clock_ms
        self._owners: dict[str, object] = {}
        self._running: dict[str, Transaction] = {}
        for topic, count in (topics or {}).items():
            self.create(topic, count)

    # --- topics --------------------------------------------------------------------------------------------

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic; nothing happens where it exists."""
        with self.changed:
            if topic not in self._counts:
                self._counts[topic] = partitions
                self._partitions |= {(topic, p): _Partition() for p in range(partitions)}

    def partitions(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions. Raises `UnknownTopic`."""
        with self.changed:
            if topic not in self._counts:
                if not self._auto_create:
                    raise UnknownTopic(f"no topic {topic!r}", remedy="create it with MemoryBroker.create")
                self.create(topic, self._auto_create)
            return [(topic, p) for p in range(self._counts[topic])]

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""
        with self.changed:
            found = self._partition(partition)
            return found.low, len(found.slots)

    def stable_end(self, partition: TopicPartition) -> int:
        """First offset that a reader of committed data may not pass."""
        with self.changed:
            return self._partition(partition).stable_end()

    def trim(self, partition: TopicPartition, before: int) -> None:
        """Remove what stands before an offset, as retention does."""
        with self.changed:
            found = self._partition(partition)
            found.low = max(found.low, min(before, len(found.slots)))

    def _partition(self, partition: TopicPartition) -> _Partition:
        self.partitions(partition[0])
        try:
            return self._partitions[partition]
        except KeyError:
            raise UnknownTopic(f"{partition[0]!r} has no partition {partition[1]}") from None

    def now_ms(self) -> int:
        """The time that records are stamped with."""
        return self._clock_ms()

    # --- writing and reading -------------------------------------------------------------------------------

    def append(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
        transaction: Transaction | None = None,
    ) -> tuple[int, int]:
        """Write one record; returns (partition, offset). Outside a transaction it is there at once."""
        with self.changed:
            if partition == BY_KEY:
                partition = partition_of(key, len(self.partitions(topic)))
            slots = self._partition((topic, partition)).slots
            record = Record(topic, partition, len(slots), key, value, headers or None, self._clock_ms())
            slots.append(_Slot(record, transaction))
            if transaction is not None:
                transaction.partitions.add((topic, partition))
            self.changed.notify_all()
            return partition, record.offset

    def records(self, topic: str) -> list[Record]:
        """All committed records of a topic, partition by partition."""
        with self.changed:
            return [r for tp in self.partitions(topic) for r in self.read(tp, 0, len(self._partition(tp).slots))]

    def read(self, partition: TopicPartition, start: int, end: int, limit: int = 1 << 60) -> list[Record]:
        """Committed records with `start <= offset < end`."""
        with self.changed:
            found = self._partition(partition)
            stop = min(end, found.stable_end())
            slots = found.slots[max(start, found.low) : stop]
            return [s.record for s in slots if s.readable and s.record is not None][:limit]

    # --- transactions --------------------------------------------------------------------------------------

    def take_over(self, transactional_id: str, owner: object) -> None:
        """Fence whoever had this id before and abort what it left open."""
        with self.changed:
            self._owners[transactional_id] = owner
            self.end(transactional_id, commit=False)

    def owns(self, transactional_id: str, owner: object) -> bool:
        """Whether nobody has taken the id over since."""
        with self.changed:
            return self._owners.get(transactional_id) is owner

    def transaction(self, transactional_id: str) -> Transaction:
        """The open transaction of this id, begun where there is none."""
        with self.changed:
            return self._running.setdefault(transactional_id, Transaction())

    def end(self, transactional_id: str, *, commit: bool) -> None:
        """Commit or abort what is open under this id; each partition that it touched gets a marker."""
        with self.changed:
            transaction = self._running.pop(transactional_id, None)
            if transaction is None:
                return
            transaction.state = "committed" if commit else "aborted"
            for tp in transaction.partitions:
                self._partition(tp).slots.append(_Slot(None))
            if commit:
                self.offsets |= transaction.offsets
            self.changed.notify_all()

    def reader(self) -> MemoryReader:
        """A `ports.LogArchive`."""
        return MemoryReader(self)

    def tail(self) -> MemoryTail:
        """A `ports.Tail`."""
        return MemoryTail(self)


class MemoryTail:
    """See `ports.Tail` for the contract."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._at: dict[TopicPartition, int] = {}
        self._passed: dict[TopicPartition, int] = {}

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""
        return self._broker.watermarks(partition)

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """The topic's partitions."""
        return self._broker.partitions(topic)

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions from these offsets on."""
        self._at = dict(positions)
        self._passed = {}

    def passed(self) -> dict[TopicPartition, int]:
        """See `ports.ShardLog.passed`. As on Kafka, an end shows itself only to a poll that finds nothing more."""
        return dict(self._passed)

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records."""
        deadline = time.monotonic() + wait_s
        with self._broker.changed:
            while True:
                found = self._take(limit)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._broker.changed.wait(left)

    def _take(self, limit: int) -> list[Record]:
        found: list[Record] = []
        for tp, at in list(self._at.items()):
            if len(found) == limit:
                break
            got = self._broker.read(tp, at, 1 << 60, limit - len(found))
            if got:
                self._at[tp] = got[-1].offset + 1
                self._passed.pop(tp, None)
                found += got
            else:
                self._passed[tp] = max(at, self._broker.stable_end(tp))
        return found

    def close(self) -> None:
        """Nothing is held."""
        self._at = {}


class MemoryReader:
    """See `ports.LogArchive` for the contract."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Committed records with `start <= offset < end`."""
        low, _ = self._broker.watermarks((topic, partition))
        if start < low:
            raise RecordsRemoved(
                f"{topic}/{partition} no longer has offset {start}: retention has removed everything before {low}",
                remedy="raise the topic's retention",
            )
        yield from self._broker.read((topic, partition), start, end)

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """All committed records from `start` to the end as of now."""
        low, high = self._broker.watermarks((topic, partition))
        yield from self.read(topic, partition, max(low, start), high)

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""
        return self._broker.watermarks(partition)

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """The topic's partitions."""
        return self._broker.partitions(topic)

    def offset_at(self, partition: TopicPartition, at: Micros) -> int:
        """First offset of that time or later."""
        low, high = self._broker.watermarks(partition)
        found = self._broker.read(partition, low, high)
        return next((r.offset for r in found if r.timestamp_ms * 1000 >= at // 1000 * 1000), high)

    def close(self) -> None:
        """Nothing is held."""
