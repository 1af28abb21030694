"""History of which retention removes what comes next, while it is read."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from rivergate.adapters import kafka_reader
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.domain.errors import RecordsRemoved


class Message:
    """A record, or what a consumer has to say of a partition."""

    def __init__(self, partition: int, offset: int, error: int | None = None) -> None:
        self._at = partition, offset
        self._error = None if error is None else KafkaError(error)

    def topic(self) -> str:
        """The topic."""
        return "t"

    def partition(self) -> int:
        """The partition."""
        return self._at[0]

    def offset(self) -> int:
        """The offset."""
        return self._at[1]

    def error(self) -> KafkaError | None:
        """What went wrong."""
        return self._error

    def key(self) -> bytes:
        """Nothing."""
        return b""

    value = key

    def timestamp(self) -> tuple[int, int]:
        """Long ago."""
        return 1, 0


class Consumer:
    """Gives what it was given; the log begins at `lows`."""

    def __init__(self, *_: object) -> None:
        self.messages: list[Message] = []
        self.lows = {0: 0, 1: 0}
        self.assigned: list[TopicPartition] = []

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Read this, too."""
        self.assigned += partitions

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """And this no more."""
        gone = {p.partition for p in partitions}
        self.assigned = [p for p in self.assigned if p.partition not in gone]

    def assignment(self) -> list[TopicPartition]:
        """What is read."""
        return self.assigned

    def get_watermark_offsets(self, partition: TopicPartition, **_: Any) -> tuple[int, int]:
        """Where the log begins and ends."""
        return self.lows[partition.partition], 10

    def consume(self, limit: int, _: float) -> list[Message]:
        """What comes next."""
        taken, self.messages = self.messages[:limit], self.messages[limit:]
        return taken


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """The one that the reader has."""
    made = Consumer()
    monkeypatch.setattr(kafka_reader, "Consumer", lambda *_: made)
    return made


def test_what_was_removed_is_told_to_whoever_reads_it_and_the_rest_goes_on(consumer: Consumer) -> None:
    """What had been fetched comes first, and another partition loses nothing by it."""
    reader = KafkaReader("broker:1", "test")
    first, second = reader.read("t", 0, 0, 10), reader.read("t", 1, 0, 10)
    consumer.messages = [Message(0, 0), Message(0, 1)]
    assert next(first).offset == 0
    consumer.messages = [Message(1, 0), Message(0, 2, KafkaError._AUTO_OFFSET_RESET), Message(1, 1)]
    consumer.lows[0] = 7
    assert [next(second).offset, next(second).offset] == [0, 1]
    assert next(first).offset == 1
    with pytest.raises(RecordsRemoved, match="t/0 no longer has offset 2: retention has removed everything before 7"):
        next(first)
    consumer.messages = [Message(0, 7), Message(1, 2)]
    assert next(reader.read("t", 0, 7, 10)).offset == 7
    assert next(second).offset == 2
    assert [(p.partition, p.offset) for p in consumer.assigned] == [(1, 0), (0, 7)]
