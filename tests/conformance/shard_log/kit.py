"""The logs that the suite runs against: one in memory, and Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rivergate.domain.record import Headers
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import Lag, LogArchive, ShardLog, Tail
from rivergate.testing.memory_lag import MemoryLag
from rivergate.testing.memory_log import MemoryBroker
from rivergate.testing.memory_shard_log import MemoryShardLog


@dataclass
class Logs:
    """One shard of an app of its own: stage `s`, input `{app}-in/0`, outputs to `{app}-out`."""

    spec: ShardSpec
    session: Callable[[], ShardLog]
    reader: Callable[[], LogArchive]
    tail: Callable[[], Tail]
    send: Callable[[str, int, bytes, Headers], None]
    arrived: Callable[[str], int]
    """How many records the log has of a topic's partition 0, committed or not."""
    lag: Callable[[], Lag]
    """Of the shard's group, on both partitions of its input."""

    @property
    def source(self) -> str:
        return f"{self.spec.app}-in"

    @property
    def target(self) -> str:
        return f"{self.spec.app}-out"


def in_memory(spec: ShardSpec) -> Logs:
    """The double."""
    broker = MemoryBroker({f"{spec.app}-in": 2, f"{spec.app}-out": 2, spec.journal[0]: 1}, clock_ms=lambda: 1)
    return Logs(
        spec,
        lambda: MemoryShardLog(broker, spec),
        broker.reader,
        broker.tail,
        lambda topic, partition, value, headers: (broker.append(topic, partition, value, headers=headers), None)[1],
        lambda topic: broker.watermarks((topic, 0))[1],
        lambda: MemoryLag(broker, spec.group, [(f"{spec.app}-in", 0), (f"{spec.app}-in", 1)]),
    )


def on_kafka(spec: ShardSpec, bootstrap: str) -> Iterator[Logs]:
    """Kafka."""
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    from rivergate.adapters.kafka_lag import LagClient
    from rivergate.adapters.kafka_log import KafkaShardLog
    from rivergate.adapters.kafka_reader import KafkaReader
    from rivergate.adapters.kafka_tail import KafkaTail
    from rivergate.adapters.kafka_watermarks import watermarks_of

    stamped = {"message.timestamp.type": "LogAppendTime"}
    wanted = [
        NewTopic(f"{spec.app}-in", 2),
        NewTopic(f"{spec.app}-out", 2),
        NewTopic(spec.journal[0], 1, config=stamped),
    ]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics(wanted).values():
        future.result()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True})
    looking = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"{spec.app}.look", "isolation.level": "read_uncommitted"}
    )
    opened: list[ShardLog | LogArchive | Tail] = []

    def send(topic: str, partition: int, value: bytes, headers: Headers) -> None:
        producer.produce(topic, value, partition=partition, headers=headers)
        assert producer.flush(10) == 0

    def keep(made: ShardLog | LogArchive | Tail) -> ShardLog | LogArchive | Tail:
        opened.append(made)
        return made

    yield Logs(
        spec,
        lambda: keep(KafkaShardLog(bootstrap, spec)),
        lambda: keep(KafkaReader(bootstrap, f"{spec.app}.reader")),
        lambda: keep(KafkaTail(bootstrap, f"{spec.app}.tail")),
        send,
        lambda topic: watermarks_of(looking, topic, 0, bootstrap)[1],
        lambda: LagClient(bootstrap).lag(spec.group, [(f"{spec.app}-in", 0), (f"{spec.app}-in", 1)]),
    )
    for made in (*opened, looking):
        made.close()
