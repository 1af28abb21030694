"""A `read_committed` reader of an app's topics that has nothing to do with the runtime's own."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters.kafka_watermarks import watermarks_of
from rivergate.domain.errors import BrokerUnavailable, UnknownTopic
from rivergate.domain.record import Record

WAIT_S = 20.0


class TopicReader:
    """Follows all partitions of some topics. One thread."""

    def __init__(self, bootstrap: str, topics: Iterable[str], *, from_end: Iterable[str] = ()) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"rivergate-demo-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            },
            logger=_silent(),
        )
        late = set(from_end)
        try:
            known = self._consumer.list_topics(timeout=WAIT_S).topics
        except KafkaException as e:
            raise BrokerUnavailable(f"no answer: {e.args[0]}", where=bootstrap, remedy="is the broker running?") from e
        missing = sorted(set(topics) - known.keys())
        if missing:
            raise UnknownTopic(f"there is no topic {missing[0]}", where=bootstrap, remedy="has the app run here?")
        assigned = [
            TopicPartition(topic, partition, OFFSET_END if topic in late else OFFSET_BEGINNING)
            for topic in topics
            for partition in known[topic].partitions
        ]
        self._partitions = {(p.topic, p.partition) for p in assigned}
        self._at_end: set[tuple[str, int]] = set()
        self._consumer.assign(assigned)

    def poll(self, take: Callable[[Record], object], wait_s: float = 0.1) -> int:
        """Give what is there to `take`; returns how many records that were."""
        taken = 0
        for message in self._consumer.consume(5000, wait_s):
            where = str(message.topic()), int(message.partition() or 0)
            error = message.error()
            if error is None:
                self._at_end.discard(where)
                take(_record(message))
                taken += 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - that is its public name
                self._at_end.add(where)
            elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
                raise BrokerUnavailable(f"can't read: {error}", where=f"{where[0]}/{where[1]}")
        return taken

    def read_to_end(self, take: Callable[[Record], object]) -> None:
        """Give everything that is committed now to `take`."""
        while self._at_end != self._partitions:
            self.poll(take)

    def close(self) -> None:
        """Release the connections."""
        self._consumer.close()


def app_topics(bootstrap: str, app: str) -> list[str]:
    """Names of the app's topics on the broker, users' topics that begin with its name included."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "rivergate-demo", "log_level": 0}, logger=_silent()
    )
    try:
        return sorted(t for t in consumer.list_topics(timeout=WAIT_S).topics if t.startswith((f"{app}.", f"{app}-")))
    except KafkaException as e:
        raise BrokerUnavailable(f"no answer: {e.args[0]}", where=bootstrap, remedy="is the broker running?") from e
    finally:
        consumer.close()


def records_on(bootstrap: str, topic: str, partitions: int) -> int:
    """How many records were ever written to a topic without transactions."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "rivergate-demo", "log_level": 0}, logger=_silent()
    )
    try:
        return sum(watermarks_of(consumer, topic, p, bootstrap)[1] for p in range(partitions))
    finally:
        consumer.close()


def producer_settings(bootstrap: str) -> Mapping[str, Any]:
    """Settings of the feeder's producer: idempotent, every replica acknowledges."""
    return {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "log_level": 0,
        "logger": _silent(),
    }


def _record(message: Any) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers(),
        message.timestamp()[1],
    )


def _silent() -> Any:
    """The lines of librdkafka go to our log, never onto the user's terminal."""
    return logging.getLogger("rivergate.demos.kafka")
