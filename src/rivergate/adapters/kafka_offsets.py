"""Committed offsets of a stage's group, for those who only look."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated
from rivergate.domain.record import TopicPartition as Partition

METADATA_S = 15.0


def committed_offsets(
    bootstrap: str, group: str, partitions: Iterable[Partition], security: Mapping[str, str] | None = None
) -> dict[Partition, int]:
    """Those of these partitions that have one. Raises `BrokerUnavailable`."""
    wanted = [TopicPartition(t, p) for t, p in partitions]
    if not wanted:
        return {}
    consumer = Consumer(kafka_settings.consumer(bootstrap, group, security))
    try:
        found = consumer.committed(wanted, timeout=METADATA_S)
    except KafkaException as e:
        raise translated(e, f"reading the offsets of {group}", bootstrap) from e
    finally:
        with contextlib.suppress(RuntimeError, KafkaException):
            consumer.close()
    return {(x.topic, x.partition): x.offset for x in found if x.offset >= 0}
