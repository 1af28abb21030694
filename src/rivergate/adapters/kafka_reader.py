"""`ports.LogArchive` on confluent-kafka: committed records by range, for recovery and replay."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated
from rivergate.adapters.kafka_tail import fetched, record_of
from rivergate.adapters.kafka_watermarks import METADATA_S, partitions_of, watermarks_of
from rivergate.domain.clock import Micros
from rivergate.domain.errors import BrokerUnavailable, RecordsRemoved
from rivergate.domain.record import Record
from rivergate.domain.record import TopicPartition as Partition

SILENCE_S = 30.0
BUFFERED = 20_000
BUFFERED_BYTES = 16 * 1024**2
"""A partition that has either of these fetched ahead is paused; so large records cost no more than small ones."""


@dataclass(slots=True)
class _Stream:
    """What has been fetched of one partition: records in order, how many bytes of values they hold, and the offset that
    fetching has passed; whether what comes there was `removed` before it could be fetched.
    """

    records: deque[Record] = field(default_factory=deque)
    size: int = 0
    passed: int = 0
    paused: bool = False
    removed: bool = False

    def serves(self, start: int) -> bool:
        """Whether what stands from this offset on comes out of it, if it is there at all."""
        if self.removed and self.passed <= start:
            return False
        first = self.records[0].offset if self.records else self.passed
        return first <= start <= self.passed + BUFFERED or (self.passed <= start and not self.records)


class KafkaReader:
    """See `ports.LogArchive`. One consumer serves all partitions; those that run ahead are paused."""

    def __init__(self, bootstrap: str, name: str, security: Mapping[str, str] | None = None) -> None:
        self._bootstrap = bootstrap
        self._consumer = Consumer(kafka_settings.consumer(bootstrap, name, security))
        self._streams: dict[Partition, _Stream] = {}

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Committed records with `start <= offset < end`."""
        stream = self._stream(topic, partition, start)
        while True:
            while stream.records:
                record = stream.records[0]
                if record.offset >= end:
                    return
                stream.records.popleft()
                stream.size -= len(record.value or b"")
                if record.offset >= start:
                    yield record
            if stream.passed >= end:
                return
            self._fetch(topic, partition)

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """All committed records from `start` to the end as of now."""
        low, high = self._watermarks(topic, partition)
        yield from self.read(topic, partition, max(low, start), high)

    def watermarks(self, partition: Partition) -> tuple[int, int]:
        """Low and high watermark."""
        return self._watermarks(*partition)

    def partitions(self, topic: str) -> Sequence[Partition]:
        """The topic's partitions."""
        return partitions_of(self._consumer, topic, self._bootstrap)

    def offset_at(self, partition: Partition, at: Micros) -> int:
        """First offset of that time or later."""
        topic, number = partition
        try:
            [found] = self._consumer.offsets_for_times([TopicPartition(topic, number, max(0, at // 1000))], METADATA_S)
        except KafkaException as e:
            raise translated(e, f"looking for a time in {topic}/{number}", self._bootstrap) from e
        return found.offset if found.offset >= 0 else self._watermarks(topic, number)[1]

    def close(self) -> None:
        """Release the connections."""
        with contextlib.suppress(RuntimeError, KafkaException):
            self._consumer.close()

    def _stream(self, topic: str, partition: int, start: int) -> _Stream:
        stream = self._streams.get((topic, partition))
        if stream is not None and stream.serves(start):
            return stream
        if start < self._watermarks(topic, partition)[0]:
            raise self._removed(topic, partition, start)
        stream = self._streams[topic, partition] = _Stream(passed=start)
        if self._is_assigned(topic, partition):
            self._consumer.incremental_unassign([TopicPartition(topic, partition)])
        self._consumer.incremental_assign([TopicPartition(topic, partition, start)])
        return stream

    def _is_assigned(self, topic: str, partition: int) -> bool:
        return any((x.topic, x.partition) == (topic, partition) for x in self._consumer.assignment())

    def _fetch(self, topic: str, partition: int) -> None:
        wanted = self._streams[topic, partition]
        if wanted.paused:
            self._consumer.resume([TopicPartition(topic, partition)])
            wanted.paused = False
        before = wanted.passed
        deadline = time.monotonic() + SILENCE_S
        while wanted.passed == before:
            if wanted.removed:
                raise self._removed(topic, partition, before)
            self._take(fetched(self._consumer, 5000, 0.5))
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"{topic}/{partition} gave nothing after offset {before} for {SILENCE_S:.0f} s",
                    where=self._bootstrap,
                    remedy="see whether the broker runs; a transaction left open holds readers back until it times out",
                )

    def _take(self, messages: Sequence[Any]) -> None:
        streams = self._streams
        for m in messages:
            if m.error() is not None:
                self._take_error(m)
                continue
            record = record_of(m)
            stream = streams[record[0], record[1]]
            stream.records.append(record)
            stream.size += len(record[4] or b"")
            stream.passed = record[2] + 1
        for (topic, partition), stream in streams.items():
            if (len(stream.records) > BUFFERED or stream.size > BUFFERED_BYTES) and not stream.paused:
                self._consumer.pause([TopicPartition(topic, partition)])
                stream.paused = True

    def _take_error(self, m: Any) -> None:
        """The end of a partition, what retention has removed of it, or what went wrong."""
        error = m.error()
        stream = self._streams.get((m.topic(), m.partition()))
        if error.code() == KafkaError._PARTITION_EOF:
            if stream is not None:
                stream.passed = max(stream.passed, m.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and stream is not None:
            stream.removed = True  # whoever reads it hears of it, and nobody else
        elif error.code() not in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}:
            raise translated(KafkaException(error), "reading", self._bootstrap)

    def _removed(self, topic: str, partition: int, at: int) -> RecordsRemoved:
        low, _ = self._watermarks(topic, partition)
        return RecordsRemoved(
            f"{topic}/{partition} no longer has offset {at}: retention has removed everything before {low}",
            where=self._bootstrap,
            remedy="keep a newer snapshot, or raise the topic's retention",
        )

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        return watermarks_of(self._consumer, topic, partition, self._bootstrap)
