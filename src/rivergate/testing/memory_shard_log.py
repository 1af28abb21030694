"""`ports.ShardLog` on a `MemoryBroker`: one shard's session, which another one can fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rivergate.domain.errors import CommitUnknown, Fenced, RivergateError, TransactionAborted
from rivergate.domain.record import Headers, Record, TopicPartition
from rivergate.kernel.shard import ShardSpec
from rivergate.testing.memory_log import Fate, MemoryBroker, MemoryTail, Transaction


class MemoryShardLog:
    """See `ports.ShardLog` for the contract.

    Stricter than Kafka where that shows a driver's mistake: a second `begin`, and a `begin` after `CommitUnknown`
    without `recycle`, raise.
    """

    def __init__(self, broker: MemoryBroker, spec: ShardSpec) -> None:
        self._broker = broker
        self._spec = spec
        self._tail = MemoryTail(broker)
        self._session: object | None = None
        self._open = False
        self._tainted = False
        self._appended = (-1, 0)

    def open(self) -> None:
        """Fence the previous owner."""
        self._session = object()
        self._open = self._tainted = False
        self._broker.take_over(self._spec.transactional_id, self._session)

    def recycle(self) -> None:
        """Fence anew."""
        self.open()

    def close(self) -> None:
        """Give up the session; what is open stays open until the next owner or a timeout aborts it."""
        self._session = None
        self._tail.close()

    # --- reading -------------------------------------------------------------------------------------------

    def journal_tail(self, before: int | None = None) -> tuple[bytes, int] | None:
        """The newest committed record of the shard's journal, before an offset if one is given."""
        found = self._broker.read(self._spec.journal, 0, 1 << 60 if before is None else before)
        return (found[-1].value or b"", found[-1].offset) if found else None

    def committed(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, str] | None]:
        """Committed offsets of the stage's group."""
        return {tp: self._broker.offsets.get((self._spec.group, tp)) for tp in partitions}

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Low and high watermark."""
        return self._broker.watermarks(partition)

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions from these offsets on."""
        self._tail.seek(positions)

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records."""
        return self._tail.poll(limit, wait_s)

    def passed(self) -> Mapping[TopicPartition, int]:
        """Up to where polling has passed partitions whose end it reached."""
        return self._tail.passed()

    # --- writing -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the transaction."""
        if self._open or self._tainted:
            raise RivergateError(
                f"{self._spec.name}: {'a transaction is open' if self._open else 'the last commit has no known end'}",
                remedy="commit, abort or recycle before the next begin",
            )
        self._appended = (-1, 0)
        self._owned()
        self._open = True

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Write one record into the transaction."""
        with self._broker.changed:
            self._broker.append(
                topic, partition, value, key=key, headers=list(headers), transaction=self._transaction()
            )

    def write_journal(self, value: bytes) -> None:
        """Write the commit record."""
        with self._broker.changed:
            topic, shard = self._spec.journal
            _, offset = self._broker.append(topic, shard, value, transaction=self._transaction())
            self._appended = (offset, self._broker.now_ms())

    def journal_appended(self) -> tuple[int, int]:
        """(offset, append time in ms) of the newest commit record."""
        return self._appended

    def send_offsets(self, offsets: Mapping[TopicPartition, int], metadata: str) -> None:
        """Commit these input offsets with the transaction."""
        with self._broker.changed:
            self._transaction().offsets.update({(self._spec.group, tp): (o, metadata) for tp, o in offsets.items()})

    def commit(self) -> None:
        """Commit the transaction, or end it as the next of `MemoryBroker.fates` says."""
        with self._broker.changed:
            self._transaction()
            self._open = False
            fate = self._broker.fates.pop(0) if self._broker.fates else None
            if fate is Fate.UNKNOWN_AND_OPEN:
                self._tainted = True
                raise CommitUnknown("committing: timed out")
            self._broker.end(self._spec.transactional_id, commit=fate is not Fate.ABORTED)
            if fate is Fate.ABORTED:
                raise TransactionAborted("committing: the broker aborted")
            if fate is Fate.UNKNOWN_BUT_COMMITTED:
                self._tainted = True
                raise CommitUnknown("committing: timed out")

    def abort(self) -> None:
        """Abort the transaction."""
        with self._broker.changed:
            self._owned()
            self._open = False
            self._broker.end(self._spec.transactional_id, commit=False)

    def _transaction(self) -> Transaction:
        self._owned()
        if not self._open:
            raise RivergateError(f"{self._spec.name}: no transaction is open", remedy="begin one first")
        return self._broker.transaction(self._spec.transactional_id)

    def _owned(self) -> None:
        if self._session is None:
            raise Fenced(f"the session of {self._spec.name} is closed")
        if not self._broker.owns(self._spec.transactional_id, self._session):
            self._open = False
            raise Fenced(f"another owner has taken {self._spec.name} over")
