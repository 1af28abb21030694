"""A partition's low and high watermark; a partition that has no leader yet is asked again."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters.kafka_errors import error_of, translated

METADATA_S = 15.0
AGAIN_S = 0.05
_NO_LEADER_YET = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}


def watermarks_of(consumer: Consumer, topic: str, partition: int, bootstrap: str) -> tuple[int, int]:
    """Low and high watermark, waiting up to 15 s for a broker or a topic that has just been made.

    Raises `BrokerUnavailable`, `UnknownTopic`.
    """
    deadline = time.monotonic() + METADATA_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=METADATA_S)
        except KafkaException as e:
            if error_of(e).code() in _NO_LEADER_YET and time.monotonic() < deadline:
                time.sleep(AGAIN_S)
                continue
            raise translated(e, f"looking at {topic}/{partition}", bootstrap) from e
        return low, high
