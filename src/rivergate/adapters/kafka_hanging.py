"""Transactions that nobody ends: `read_committed` readers of their partitions wait behind them for ever."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its stubs hide them

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated
from rivergate.domain.record import TopicPartition as Partition

ANSWER_S = 10.0
RECORD_S = 5.0


@dataclass(frozen=True, slots=True)
class Hanging:
    """An open transaction's first record in a partition: its offset, and its age in seconds."""

    topic: str
    partition: int
    offset: int
    age_s: float


def hanging_transactions(
    bootstrap: str, older_s: float, security: Mapping[str, str] | None = None
) -> Sequence[Hanging]:
    """The oldest open transaction of each partition on the broker, its own topics included, if it is older than that.

    A broker ends a transaction after its timeout (10 s for our stages); one that is open for much longer has lost its
    end, which a broker doesn't notice. Raises `BrokerUnavailable`.
    """
    admin = AdminClient(kafka_settings.common(bootstrap, security))
    try:
        topics = admin.list_topics(timeout=ANSWER_S).topics
    except KafkaException as e:
        raise translated(e, "listing topics", bootstrap) from e
    partitions = [TopicPartition(name, p) for name, topic in sorted(topics.items()) for p in sorted(topic.partitions)]
    # stable ends first: what commits between the two questions looks open for a moment, and is too young to count
    stable = _ends(admin, partitions, IsolationLevel.READ_COMMITTED)
    ends = _ends(admin, partitions, IsolationLevel.READ_UNCOMMITTED)
    waiting = [(p, offset) for p, offset in stable.items() if offset < ends.get(p, -1)]
    if not waiting:
        return []
    settings = kafka_settings.consumer(bootstrap, "rivergate.hanging", security)
    with closing(Consumer(settings | {"isolation.level": "read_uncommitted"})) as reader:
        found = [Hanging(*p, offset, _age_s(reader, p, offset)) for p, offset in waiting]
    return [x for x in found if x.age_s > older_s]


def _ends(admin: AdminClient, partitions: Sequence[TopicPartition], level: IsolationLevel) -> dict[Partition, int]:
    """A partition that has no leader just now isn't in it."""
    if not partitions:
        return {}
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked: dict[TopicPartition, Future[Any]] = admin.list_offsets(
        dict.fromkeys(partitions, latest), isolation_level=level, request_timeout=ANSWER_S
    )
    return {(p.topic, p.partition): f.result().offset for p, f in asked.items() if f.exception() is None}


def _age_s(reader: Consumer, partition: Partition, offset: int) -> float:
    """Of the record at this offset, by its own time and this machine's clock; 0 where it is gone."""
    reader.assign([TopicPartition(*partition, offset)])
    deadline = time.monotonic() + RECORD_S
    while time.monotonic() < deadline:
        found = reader.poll(0.2)
        if found is not None and found.error() is None:
            return max(0.0, time.time() - found.timestamp()[1] / 1000)
    return 0.0
