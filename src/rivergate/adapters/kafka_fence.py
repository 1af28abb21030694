"""Taking a transactional id over: whoever had it before is fenced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from rivergate.adapters.kafka_errors import translated

INIT_S = 10.0  # a producer that waits for its coordinator longer was seen never to find it: a new one does


def fencing_producer(
    settings: Mapping[str, Any], topic: str, doing: str, heard: Callable[[KafkaError], None] | None = None
) -> Producer:
    """A producer whose transactional id is its own from now on. `topic` is one that it writes to.

    Raises what `doing` couldn't be done for.
    """
    producer = Producer(dict(settings) | ({"error_cb": heard} if heard else {}))
    try:
        # Without a connection, librdkafka looks for the coordinator again after half a second, which every other takeover
        # then lasted. An answer about the topic means that there is one; the first may come over the connection to the
        # bootstrap address, which is given up then.
        for _ in range(2):
            producer.list_topics(topic, INIT_S)
        producer.init_transactions(INIT_S)
    except KafkaException as e:
        raise translated(e, doing, str(settings["bootstrap.servers"])) from e
    return producer
