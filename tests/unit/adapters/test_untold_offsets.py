"""A broker that was asked twice for the same batch may say that it has it, and not where."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message

from rivergate.adapters import kafka_writer
from rivergate.adapters.kafka_log import KafkaShardLog
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.domain.errors import BrokerUnavailable, CommitUnknown
from rivergate.domain.record import Output
from rivergate.kernel.shard import ShardSpec


class Producer:
    """Confirms each record at once, without an offset."""

    def __init__(self, *_: Any) -> None:
        self.flushed = 0

    def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
        """Has it."""
        on_delivery(None, Message(topic="t", partition=0))

    def poll(self, _: float) -> int:
        """Nothing waits."""
        return 0

    def flush(self, _: float) -> int:
        """Nothing waits."""
        self.flushed += 1
        return 0


def test_a_commit_record_without_an_offset_is_looked_up_in_the_journal() -> None:
    """Which is what `CommitUnknown` makes of it; a shard that took it for offset 0 would begin its journal there."""
    log = KafkaShardLog("localhost:1", ShardSpec("app", "gate", 0, (), "code", "worker"))
    log._producer = Producer()  # type: ignore[assignment]
    log.write_journal(b"commit")
    with pytest.raises(CommitUnknown, match="didn't say where"):
        log.journal_appended()


def test_a_record_without_an_offset_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends it is told so; what handles it knows it by its id."""
    monkeypatch.setattr(kafka_writer, "Producer", Producer)
    writer = KafkaWriter("localhost:1")
    with pytest.raises(BrokerUnavailable, match=r"t has the record, but .* didn't say where") as raised:
        writer.send(Output("t", 0, b"key", b"value", b"id", b"type"), [])
    assert raised.value.where == "localhost:1"
