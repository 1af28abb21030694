"""`ports.Writer` on confluent-kafka, and a way to write many records without waiting for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import error_of, translated
from rivergate.domain.errors import BadInput, BrokerUnavailable, RivergateError
from rivergate.domain.record import Headers, Output

_TOO_LARGE = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"}
_TIMED_OUT = {"_MSG_TIMED_OUT", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_PURGE_QUEUE", "_PURGE_INFLIGHT"}

Failed = Callable[[RivergateError], None]


class KafkaWriter:
    """See `ports.Writer` for the contract. `send` may be called from any thread, the rest from one.

    A record that isn't durable after `timeout_s` has failed: it may still be there (the answer got lost), so what
    must not be doubled needs an id that its readers know. `batch_bytes` must not be above the topic's limit.
    """

    def __init__(
        self,
        bootstrap: str,
        security: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
        batch_bytes: int = kafka_settings.BATCH_BYTES,
    ) -> None:
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._producer: Producer | None = Producer(
            kafka_settings.producer(bootstrap, security)
            | {
                "batch.size": batch_bytes,
                "message.timeout.ms": int(timeout_s * 1000),
                "topic.metadata.propagation.max.ms": int(timeout_s * 500),
            }
        )
        self.delivered = 0

    def send(self, record: Output, headers: Headers) -> tuple[int, int]:
        """Write and wait until it is durable; returns (partition, offset).

        Raises `BrokerUnavailable`, also where a broker that was asked twice has the record, but doesn't say where;
        `UnknownTopic`; and `BadInput` for a record above the topic's limit.
        """
        answer: list[tuple[KafkaError | None, Message]] = []
        self._produce(record, headers, lambda error, message: answer.append((error, message)))
        deadline = time.monotonic() + self._timeout_s + 5.0
        while not answer:
            self._open().poll(0.05)
            if time.monotonic() > deadline:
                raise self._unanswered(record.topic)
        error, message = answer[0]
        if error is not None:
            raise self._as_ours(KafkaException(error), record)
        self.delivered += 1
        offset = message.offset()
        if offset is None:
            raise BrokerUnavailable(
                f"{record.topic} has the record, but the broker was asked twice and didn't say where",
                where=self._bootstrap,
                remedy="send it again: it has the same id, so it counts once",
            )
        return message.partition() or 0, offset

    def send_soon(self, record: Output, headers: Headers, failed: Failed) -> None:
        """Write without waiting; blocks only while the queue is full.

        During a later `send_soon` or `flush`, `failed` is called with the error of a record that didn't arrive.
        """

        def done(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.delivered += 1
            else:
                failed(self._as_ours(KafkaException(error), record))

        while True:
            try:
                self._produce(record, headers, done)
                self._open().poll(0)
                return
            except BufferError:
                self._open().poll(0.1)

    def flush(self) -> None:
        """Wait until every record has arrived or failed. Raises `BrokerUnavailable` where that takes too long."""
        if self._open().flush(self._timeout_s + 5.0):
            raise self._unanswered("some topics")

    def close(self) -> None:
        """Flush and release the connections."""
        if self._producer is not None:
            self._producer.flush(self._timeout_s)
            self._producer = None

    def _produce(self, record: Output, headers: Headers, done: Callable[[KafkaError | None, Message], None]) -> None:
        try:
            self._open().produce(
                record.topic, record.value, record.key, record.partition, on_delivery=done, headers=[*headers]
            )
        except KafkaException as e:
            raise self._as_ours(e, record) from e

    def _open(self) -> Producer:
        if self._producer is None:
            raise RivergateError("this writer is closed", remedy="make a new one")
        return self._producer

    def _as_ours(self, e: KafkaException, record: Output) -> RivergateError:
        name = error_of(e).name()
        if name in _TOO_LARGE:
            return BadInput(
                f"a record of {len(record.value or b''):,} bytes is above the limit of topic {record.topic}",
                where=self._bootstrap,
                remedy="raise `max_message_bytes` in the topic's file and run `rivergate topics apply`, or send less",
            )
        if name in _TIMED_OUT:
            return self._unanswered(record.topic)
        return translated(e, f"writing to {record.topic}", self._bootstrap)

    def _unanswered(self, topic: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"writing to {topic}: the broker didn't confirm within {self._timeout_s:.0f} s",
            where=self._bootstrap,
            remedy="see whether the broker runs and is reachable; records may have arrived all the same",
        )
