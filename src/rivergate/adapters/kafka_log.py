"""`ports.ShardLog` on confluent-kafka: one shard's transactional producer and consumer."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import error_of, transaction_error, translated
from rivergate.adapters.kafka_fence import fencing_producer
from rivergate.adapters.kafka_tail import Poller, newest_first
from rivergate.adapters.kafka_watermarks import watermarks_of
from rivergate.adapters.watched import WatchedCaller
from rivergate.domain.errors import CommitUnknown, Fenced, RivergateError, TransactionAborted
from rivergate.domain.record import BY_KEY, Headers, Record
from rivergate.domain.record import TopicPartition as Partition
from rivergate.kernel.shard import ShardSpec

_BROKEN = {"FAIL", "REQTMOUT"}
"""How librdkafka marks its lines on connections that ended and on requests without an answer."""
UNTOLD = -1
"""For an offset: a broker that lost its memory of the batch answers to the second request only that it has it."""
COMMIT_S = 10.0
METADATA_S = 15.0
OFFSETS_S = 5.0
HANGS_S = OFFSETS_S + 2.0  # librdkafka 2.16 ignores the timeout of a call whose coordinator went away (issue 5456)


class Eavesdropper:
    """A client's logger, which hears of broken connections: librdkafka tells nobody else of one that it mends itself.

    It writes the same line about one of them for half a minute only once, so the first has to end the session.
    """

    def __init__(self, disconnected: Callable[[], None]) -> None:
        self._disconnected = disconnected

    def log(self, level: int, line: str, *parts: str) -> None:
        """Pass warnings and worse on to our log; `parts` are the line's mark, the client's name, and the text."""
        if parts and parts[0] in _BROKEN:
            self._disconnected()
        if level >= logging.WARNING:
            kafka_settings.LOG.log(level, line, *parts)


class KafkaShardLog:
    """See `ports.ShardLog` for the contract."""

    def __init__(self, bootstrap: str, spec: ShardSpec, security: Mapping[str, str] | None = None) -> None:
        self._bootstrap = bootstrap
        self._spec = spec
        self._security = security
        self._consumer = Consumer(kafka_settings.consumer(bootstrap, spec.group, security))
        self._producer: Producer | None = None
        self._journal_topic, self._journal_partition = spec.journal
        self._backwards: Iterator[Record] = iter(())
        self._looked_back_to = -1
        self._poller = Poller(self._consumer, bootstrap)
        self._appended = (-1, 0)
        self._lost = False
        self._watched = WatchedCaller(f"{spec.name}-offsets")

    # --- session -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Fence the previous owner."""
        settings = kafka_settings.transactional(self._bootstrap, self._spec.transactional_id, self._security)
        settings |= {"logger": Eavesdropper(self._disconnected), "log_level": 6}
        producer = fencing_producer(settings, self._journal_topic, f"taking over {self._spec.name}", self._heard)
        producer.poll(0)
        self._lost = False  # what was heard while it took over is history
        self._producer = producer

    def _heard(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._lost = True

    def _disconnected(self) -> None:
        self._lost = True

    def recycle(self) -> None:
        """Destroy the producer and fence anew; what it had in flight is aborted by the broker."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None
        self.open()

    def close(self) -> None:
        """Give up the session."""
        self._watched.close()
        if self._producer is not None:
            self._producer.purge()
            self._producer = None
        with contextlib.suppress(RuntimeError, KafkaException):
            self._consumer.close()

    # --- reading -------------------------------------------------------------------------------------------

    def journal_tail(self, before: int | None = None) -> tuple[bytes, int] | None:
        """The newest committed record of the shard's journal; looking further back goes on from where it was."""
        self._poller.forget()
        if before is None or before > self._looked_back_to:
            self._backwards = newest_first(
                self._consumer, self._journal_topic, self._journal_partition, self._bootstrap
            )
        for found in self._backwards:
            self._looked_back_to = found.offset
            if before is None or found.offset < before:
                return found.value or b"", found.offset
        return None

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, tuple[int, str] | None]:
        """Committed offsets of the stage's group; waits until no transaction is pending on them."""
        if not partitions:
            return {}
        try:
            got = self._consumer.committed([TopicPartition(t, p) for t, p in partitions], timeout=METADATA_S)
        except KafkaException as e:
            raise translated(e, f"reading the offsets of {self._spec.group}", self._bootstrap) from e
        return {
            (x.topic, x.partition): None if x.offset == OFFSET_INVALID else (x.offset, x.metadata or "") for x in got
        }

    def watermarks(self, partition: Partition) -> tuple[int, int]:
        """Low and high watermark."""
        return watermarks_of(self._consumer, *partition, self._bootstrap)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Assign exactly these partitions from these offsets on; ends of an earlier assignment are never handed out."""
        self._poller.forget()
        self._consumer.assign([TopicPartition(t, p, o) for (t, p), o in positions.items()])

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records."""
        return self._poller.poll(limit, wait_s)

    def passed(self) -> Mapping[Partition, int]:
        """Fetch positions at the ends that were reached; they count markers and aborted records."""
        return self._poller.passed()

    # --- writing -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the transaction.

        Raises `CommitUnknown` after a connection broke or the broker was away, for two reasons to let a new producer take
        this one's place. librdkafka asks again over another connection, and what it had asked first may still reach the
        broker and end or rewind this transaction (it lacks KIP-890's second part): a new session's epoch bars it. And
        a producer that lost the broker may wait for ever for a coordinator that it remembers (librdkafka issue 5511).
        """
        self._appended = (-1, 0)
        producer = self._live()
        producer.poll(0)
        if self._lost:
            raise CommitUnknown("a connection to the broker broke, so the session begins anew")
        try:
            producer.begin_transaction()
        except KafkaException as e:
            raise self._failed(e, "beginning a transaction") from e

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Write one record. A full queue is waited for, which is the backpressure of the broker."""
        producer = self._live()
        given: list[tuple[str, str | bytes | None]] = headers  # type: ignore[assignment] # it only reads them
        while True:
            try:
                if partition == BY_KEY:
                    producer.produce(topic, value, key, headers=given)
                else:
                    producer.produce(topic, value, key, partition, headers=given)
            except BufferError:
                producer.poll(0.05)
            except KafkaException as e:
                raise self._failed(e, f"writing to {topic}") from e
            else:
                return

    def write_journal(self, value: bytes) -> None:
        """Write the commit record; its delivery report is the one that is kept."""
        producer = self._live()
        while True:
            try:
                producer.produce(
                    self._journal_topic, value, partition=self._journal_partition, on_delivery=self._journal_delivered
                )
            except BufferError:
                producer.poll(0.05)
            except KafkaException as e:
                raise self._failed(e, "writing the commit record") from e
            else:
                return

    def _journal_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            offset = message.offset()
            self._appended = (UNTOLD if offset is None else offset, message.timestamp()[1])

    def journal_appended(self) -> tuple[int, int]:
        """(offset, append time in ms) of the newest commit record."""
        if self._appended[0] < 0:
            self._live().poll(0)
        if self._appended[0] < 0:
            self._live().flush(COMMIT_S)
        if self._appended[0] < 0:
            raise CommitUnknown("the broker has the commit record, but was asked twice and didn't say where")
        return self._appended

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: str) -> None:
        """Input offsets of the transaction. The group has no members: the transactional id is the fence."""
        batch = [TopicPartition(t, p, o, metadata) for (t, p), o in offsets.items()]
        send = partial(self._live().send_offsets_to_transaction, batch, self._consumer.consumer_group_metadata())
        try:
            self._watched.call(partial(send, OFFSETS_S), HANGS_S)
        except TimeoutError as e:
            raise CommitUnknown(f"sending offsets: no answer within {HANGS_S:.0f} s") from e
        except KafkaException as e:
            raise self._failed(e, "sending offsets") from e

    def commit(self) -> None:
        """Commit the transaction."""
        try:
            self._live().commit_transaction(COMMIT_S)
        except KafkaException as e:
            raise self._failed(e, "committing") from e

    def abort(self) -> None:
        """Abort the transaction."""
        try:
            self._live().abort_transaction(COMMIT_S)
        except KafkaException as e:
            raise transaction_error(e, "aborting") from e

    def _failed(self, e: KafkaException, doing: str) -> RivergateError:
        """What to raise; a transaction that has to be aborted is aborted here, so that the next may begin."""
        error = transaction_error(self._reason(e), doing)
        if isinstance(error, TransactionAborted):
            try:
                self.abort()
            except RivergateError as abort_failed:
                return abort_failed
        return error

    def _reason(self, e: KafkaException) -> KafkaException:
        """`produce` says of a fenced producer no more than that it is at its end; it is the abort that says why."""
        if error_of(e).code() == KafkaError._FATAL:
            try:
                self._live().abort_transaction(COMMIT_S)
            except KafkaException as reason:
                return reason
        return e

    def _live(self) -> Producer:
        if self._producer is None:
            raise Fenced(f"the session of {self._spec.name} is closed")
        return self._producer
