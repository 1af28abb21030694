"""Following topics as committed data: polling, the last record of a partition, and `ports.Tail`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated
from rivergate.adapters.kafka_watermarks import partitions_of, watermarks_of
from rivergate.domain.errors import BrokerUnavailable, RivergateError
from rivergate.domain.record import Record, make_tuple
from rivergate.domain.record import TopicPartition as Partition

METADATA_S = 15.0
FIRST_STEP, LARGEST_STEP = 16, 4096
_PARTITION_EOF = KafkaError._PARTITION_EOF
_RETRIED_INSIDE = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


def poll_records(
    consumer: Consumer, limit: int, wait_s: float, bootstrap: str, ends: dict[Partition, int] | None = None
) -> list[Record]:
    """Wait up to `wait_s` for a first record, then take what has been fetched, up to `limit`.

    `ends` gets where fetching stood at each end of a partition that was reached.
    """
    deadline = time.monotonic() + wait_s
    while True:
        records = []
        for m in fetched(consumer, limit, max(0.0, deadline - time.monotonic())):
            error = m.error()
            if error is None:
                records.append(make_tuple(Record, (m.topic(), m.partition(), m.offset(), m.key(), m.value(), m, 0)))
            elif error.code() == _PARTITION_EOF:
                if ends is not None:
                    ends[m.topic(), m.partition()] = m.offset()
            elif error.code() not in _RETRIED_INSIDE:
                raise translated(KafkaException(error), "reading", bootstrap)
        if records or time.monotonic() >= deadline:  # the end of a partition is nothing to stop waiting for
            return records


def fetched(consumer: Consumer, limit: int, wait_s: float) -> list[Any]:
    """Messages and end-of-partition events. `consume(limit, wait)` would wait to be full: this waits for one."""
    messages: list[Any] = consumer.consume(1, wait_s)
    if messages and limit > 1:
        messages += consumer.consume(limit - 1, 0)
    return messages


def record_of(m: Any) -> Record:
    """A message as a record; for messages without an error, whose topic, partition and offset are set."""
    return make_tuple(Record, (m.topic(), m.partition(), m.offset(), m.key(), m.value(), m, m.timestamp()[1]))


def last_committed(consumer: Consumer, topic: str, partition: int, bootstrap: str) -> Record | None:
    """The newest committed record of a partition."""
    return next(newest_first(consumer, topic, partition, bootstrap), None)


def newest_first(consumer: Consumer, topic: str, partition: int, bootstrap: str) -> Iterator[Record]:
    """Committed records of a partition from its end backwards, read in growing steps as they are asked for.

    Each step replaces the assignment and leaves none.
    """
    low, end = watermarks_of(consumer, topic, partition, bootstrap)
    step, until = FIRST_STEP, None
    while end > low:
        start = max(low, end - step)
        yield from reversed(_between(consumer, topic, partition, start, until, bootstrap))
        end = until = start
        step = min(step * 4, LARGEST_STEP)


def _between(
    consumer: Consumer, topic: str, partition: int, start: int, end: int | None, bootstrap: str
) -> list[Record]:
    """Committed records with `start <= offset < end`; to the partition's end where `end` is None."""
    consumer.assign([TopicPartition(topic, partition, start)])
    found: list[Record] = []
    deadline = time.monotonic() + METADATA_S
    while time.monotonic() < deadline:
        for m in fetched(consumer, 500, 1.0):
            error = m.error()
            reached = error is None and end is not None and m.offset() >= end
            if reached or (error is not None and error.code() == _PARTITION_EOF):
                consumer.unassign()
                return found
            if error is None:
                found.append(record_of(m))
            elif error.code() not in _RETRIED_INSIDE:
                raise translated(KafkaException(error), f"reading {topic}/{partition}", bootstrap)
    raise BrokerUnavailable(f"the end of {topic}/{partition} wasn't reached within {METADATA_S:.0f} s", where=bootstrap)


class Poller:
    """Polls a consumer, and keeps up to where it has passed those partitions whose end it reached."""

    def __init__(self, consumer: Consumer, bootstrap: str) -> None:
        self._consumer = consumer
        self._bootstrap = bootstrap
        self._passed: dict[Partition, int] = {}

    def forget(self) -> None:
        """The assignment is another one: ends of an earlier one are never handed out."""
        self._passed = {}

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records."""
        ends: dict[Partition, int] = {}
        records = poll_records(self._consumer, limit, wait_s, self._bootstrap, ends)
        if ends or self._passed:
            self._passed |= ends
            for tp, last in {(r[0], r[1]): r[2] for r in records}.items():
                if self._passed.get(tp, -1) <= last:  # the end was reached before these came
                    self._passed.pop(tp, None)
        return records

    def passed(self) -> Mapping[Partition, int]:
        """Fetch positions at the ends that were reached; they count markers and aborted records."""
        return dict(self._passed)


class KafkaTail:
    """See `ports.Tail` for the contract."""

    def __init__(self, bootstrap: str, name: str, security: Mapping[str, str] | None = None) -> None:
        self._bootstrap = bootstrap
        self._consumer = Consumer(kafka_settings.consumer(bootstrap, name, security))
        self._poller = Poller(self._consumer, bootstrap)

    def watermarks(self, partition: Partition) -> tuple[int, int]:
        """Low and high watermark."""
        return watermarks_of(self._consumer, *partition, self._bootstrap)

    def partitions(self, topic: str) -> Sequence[Partition]:
        """The topic's partitions."""
        return partitions_of(self._consumer, topic, self._bootstrap)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Assign exactly these partitions from these offsets on."""
        self._poller.forget()
        self._consumer.assign([TopicPartition(t, p, o) for (t, p), o in positions.items()])

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Up to `limit` committed records."""
        return self._poller.poll(limit, wait_s)

    def passed(self) -> Mapping[Partition, int]:
        """Up to where polling has passed partitions whose end it reached."""
        return self._poller.passed()

    def last(self, partition: Partition) -> Record | None:
        """The newest committed record of a partition. Replaces the assignment."""
        self._poller.forget()
        return last_committed(self._consumer, *partition, self._bootstrap)

    def close(self) -> None:
        """Release the connections."""
        with contextlib.suppress(RuntimeError, KafkaException, RivergateError):
            self._consumer.close()
