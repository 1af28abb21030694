"""A transaction that nobody ends is found, and told by `rivergate doctor`."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from rivergate.adapters.kafka_hanging import hanging_transactions
from rivergate.cli.doctor import transactions_finding
from rivergate.runtime.kafka import LocalKafka

pytestmark = pytest.mark.slow


def test_an_open_transaction_is_found_until_it_ends(kafka: LocalKafka) -> None:
    """By its first record; a committed one and a young one aren't."""
    topic = f"hang-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(topic, 2)])[topic].result()
    settings = {"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "transaction.timeout.ms": 600_000}
    producer = Producer(settings)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"committed", partition=1)
    producer.commit_transaction(20)
    producer.begin_transaction()
    for _ in range(3):
        producer.produce(topic, b"open", partition=1)
    producer.flush(20)
    time.sleep(1.0)

    def ours(older_s: float) -> list[tuple[int, int]]:
        return [(x.partition, x.offset) for x in hanging_transactions(kafka.bootstrap, older_s) if x.topic == topic]

    assert ours(0.5) == [(1, 2)]  # offset 1 is the first one's marker
    assert ours(60.0) == []
    finding = transactions_finding(kafka.bootstrap, older_s=0.5)
    assert not finding.ok
    assert f"{topic}/1 from offset 2 on" in finding.found
    assert "kafka-transactions.sh" in finding.remedy
    producer.abort_transaction(20)
    assert ours(0.5) == []
