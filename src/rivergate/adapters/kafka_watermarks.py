"""A topic's partitions, and a partition's low and high watermark; one that has no leader yet is asked again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters.kafka_errors import error_of, translated
from rivergate.domain.errors import UnknownTopic
from rivergate.domain.record import TopicPartition as Partition

METADATA_S = 15.0
AGAIN_S = 0.05
NEW_TOPIC_S = 2.0
"""How long a topic may be unknown: one that has just been made is, for a moment."""
_PATIENCE_S = {
    KafkaError.NOT_LEADER_FOR_PARTITION: METADATA_S,
    KafkaError.LEADER_NOT_AVAILABLE: METADATA_S,
    KafkaError._UNKNOWN_PARTITION: NEW_TOPIC_S,
}


def watermarks_of(consumer: Consumer, topic: str, partition: int, bootstrap: str) -> tuple[int, int]:
    """Low and high watermark, waiting up to 15 s for a broker or a topic that has just been made.

    Raises `BrokerUnavailable`, `UnknownTopic`.
    """
    began = time.monotonic()
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=METADATA_S)
        except KafkaException as e:
            if time.monotonic() - began < _PATIENCE_S.get(error_of(e).code(), 0.0):
                time.sleep(AGAIN_S)
                continue
            raise translated(e, f"looking at {topic}/{partition}", bootstrap) from e
        return low, high


def partitions_of(consumer: Consumer, topic: str, bootstrap: str) -> Sequence[Partition]:
    """A topic's partitions. Raises `UnknownTopic`, `BrokerUnavailable`."""
    try:
        found = consumer.list_topics(topic, timeout=METADATA_S).topics[topic]
    except KafkaException as e:
        raise translated(e, f"looking for topic {topic}", bootstrap) from e
    if found.error is not None or not found.partitions:
        raise UnknownTopic(f"no topic {topic!r}", where=bootstrap, remedy="create it with `rivergate topics apply`")
    return [(topic, p) for p in sorted(found.partitions)]
