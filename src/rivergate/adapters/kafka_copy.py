"""Copies of records with a note of how far they go, in one transaction: for moving an app to other topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import KafkaError, KafkaException, Message

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import FORBIDDEN, error_of, transaction_error
from rivergate.adapters.kafka_fence import fencing_producer
from rivergate.domain.errors import BadInput, ConfigError, Fenced, RivergateError
from rivergate.domain.record import BY_KEY, Headers, TopicPartition

COMMIT_S = 10.0
_INVALID = {
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
}


class Copy(NamedTuple):
    """A record to be written with the time that it was stamped with first; `BY_KEY` leaves the partition to its key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


Note = Callable[[Mapping[TopicPartition, int]], tuple[bytes, bytes, Headers]]
"""Given the ends of what has just been written, the key, value and headers of the note that goes with it."""


class KafkaCopier:
    """One thread; use it in `with`, which fences whoever copies into the same app.

    Notes that are read after that are all there will be before ours. Raises `BrokerUnavailable`.
    """

    def __init__(self, bootstrap: str, app: str, notes: str, security: Mapping[str, str] | None = None) -> None:
        self._notes = notes
        self._settings = kafka_settings.transactional(bootstrap, f"{app}.rekey", security)

    def __enter__(self) -> Self:
        self._producer = fencing_producer(self._settings, self._notes, "taking the copy over")
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._producer.purge()

    def write(self, copies: Sequence[Copy], note: Note) -> None:
        """Write all of these with the note, or nothing.

        Raises `Fenced`, `TransactionAborted` (nothing was written), `CommitUnknown` (the notes tell), `BadInput` for a
        record above its topic's limit or one that the broker doesn't take, `ConfigError` where it doesn't permit the copy.
        After any of these the object is of no further use.
        """
        ends: dict[TopicPartition, int] = {}
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
                return
            offset = message.offset()
            if offset is None:  # asked twice, the broker may say only that it has it; the note needs to know where
                failures.append(KafkaError(KafkaError.DUPLICATE_SEQUENCE_NUMBER))
                return
            tp = message.topic() or "", message.partition() or 0
            ends[tp] = max(ends.get(tp, 0), offset + 1)

        try:
            self._producer.begin_transaction()
            for c in copies:
                self._produce(c, delivered)
            if self._producer.flush(COMMIT_S):
                failures.append(KafkaError(KafkaError._TIMED_OUT))
            _demand_none(failures)
            key, value, headers = note(ends)
            given: Any = headers
            self._producer.produce(self._notes, value, key, 0, headers=given)
            self._producer.commit_transaction(COMMIT_S)
        except KafkaException as e:
            reasons = [*failures, error_of(e), *self._reason()]
            failed = _failed(self._aborted(e), copies)
            raise self._refused(reasons, copies) or failed from e

    def _reason(self) -> list[KafkaError]:
        """Why the transaction can't go on, where it is more than one record that failed: the others wait in vain then, and
        it is the next call that tells, one that changes nothing.
        """
        try:
            self._producer.begin_transaction()
        except KafkaException as e:
            return [error_of(e)]
        return []

    def _refused(self, reasons: Sequence[KafkaError], copies: Sequence[Copy]) -> RivergateError | None:
        """What the broker will refuse however often it is asked; None where it may be another time."""
        topics = ", ".join(sorted({c.topic for c in copies}))
        for reason in reasons:
            what = f"{reason.str()} ({reason.name()})"
            if reason.code() in FORBIDDEN:
                return ConfigError(
                    f"the broker doesn't permit the copy: {what}",
                    remedy=f"have it permit this user to write to {topics} and {self._notes}, under the transactional id "
                    f"{self._settings['transactional.id']}; the same command goes on from there",
                )
            if reason.code() in _INVALID:
                return BadInput(
                    f"the broker doesn't take a record of the copy: {what}",
                    remedy=f"see what {topics} demand of records, beyond their files (message.timestamp.before.max.ms and "
                    "message.timestamp.after.max.ms, schema validation); the same command goes on from there",
                )
        return None

    def _aborted(self, e: KafkaException) -> KafkaException:
        """Abort; if that can't be done, the next fence does it. Of a fatal error it is this that tells the reason."""
        try:
            self._producer.abort_transaction(COMMIT_S)
        except KafkaException as aborting:
            return aborting if error_of(e).code() == KafkaError._FATAL else e
        return e

    def _produce(self, c: Copy, delivered: Callable[[KafkaError | None, Message], None]) -> None:
        where: dict[str, Any] = {} if c.partition == BY_KEY else {"partition": c.partition}
        given: Any = c.headers
        while True:
            try:
                self._producer.produce(
                    c.topic, c.value, c.key, headers=given, timestamp=c.timestamp_ms, on_delivery=delivered, **where
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return


def _demand_none(failures: Sequence[KafkaError]) -> None:
    if failures:
        raise KafkaException(failures[0])


def _failed(e: KafkaException, copies: Sequence[Copy]) -> RivergateError:
    """What went wrong, with what it means for whoever copies."""
    if error_of(e).code() == KafkaError.MSG_SIZE_TOO_LARGE:
        largest = max(copies, key=lambda c: len(c.value or b""))
        return BadInput(
            f"a record of {len(largest.value or b''):,} bytes is above the limit of {largest.topic}",
            remedy="raise `max_message_bytes` in the topic's file and run `rivergate topics apply`; the copy goes on from there",
        )
    error = transaction_error(e, "copying")
    if isinstance(error, Fenced):
        return Fenced(
            "another copy or a release has taken over, or the broker's transaction timeout has passed",
            remedy="`rivergate rekey … --status` says how far it is; the same command goes on from there",
        )
    return error
