"""Which log this is: the ids that the broker gave to its topics when they were made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated

METADATA_S = 15.0


def log_identity(bootstrap: str, topics: Iterable[str], security: Mapping[str, str] | None = None) -> str:
    """Hex SHA-256 over the topics' names and ids: another one means that a topic was deleted and made anew.

    Raises `BrokerUnavailable`, `UnknownTopic`.
    """
    admin = AdminClient(kafka_settings.common(bootstrap, security))
    digest = hashlib.sha256()
    try:
        futures = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=METADATA_S)
        for name, future in sorted(futures.items()):
            digest.update(f"{name}={future.result().topic_id}\n".encode())
    except KafkaException as e:
        raise translated(e, "reading the topics' ids", bootstrap) from e
    return digest.hexdigest()
