"""The broker of all rounds, Apache Kafka started by the harness and kept over rounds, and the proxy before it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tests.chaos.proxying import ProxyProcess
from tests.checker.line import Partition

from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.kafka.addresses import free_port
from rivergate.runtime.kafka.settings import Front

ANSWER_S = 30.0


class Cluster:
    """One thread, save `bootstrap`."""

    def __init__(self, folder: Path) -> None:
        front = free_port()
        self.proxy = ProxyProcess(free_port(besides=front), front)
        self._kafka = LocalKafka(folder, front=Front(front, self.proxy.port))

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        try:
            self._kafka.start()
        except BaseException:
            self.proxy.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kafka.stop()
        self.proxy.__exit__()

    @property
    def bootstrap(self) -> str:
        """Address for the harness's own clients, past the proxy."""
        return self._kafka.bootstrap

    @property
    def for_app(self) -> str:
        """Address that the app is given: the proxy's."""
        return f"127.0.0.1:{self.proxy.port}"

    def kill(self) -> None:
        """SIGKILL."""
        self._kafka.kill()

    def start(self) -> None:
        """Start it again on the same data and the same port."""
        self._kafka.start()

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self._kafka.stop()

    def partitions_of(self, app: str) -> list[Partition]:
        """All partitions of an app's topics."""
        topics = _topics(self.bootstrap)
        return [(t, p) for t, n in sorted(topics.items()) if t.startswith((f"{app}.", f"{app}-")) for p in range(n)]

    def ends_of(self, app: str) -> dict[Partition, int]:
        """The offset after the newest record of each of its partitions."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        wanted = {TopicPartition(t, p): OffsetSpec.latest() for t, p in self.partitions_of(app)}
        return {(x.topic, x.partition): done.result().offset for x, done in admin.list_offsets(wanted).items()}

    def drop(self, topics: Iterable[str]) -> None:
        """Delete the topics of a round that has held."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        for done in admin.delete_topics([*topics]).values():
            done.result()


def _topics(bootstrap: str) -> dict[str, int]:
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            found = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2}).list_topics(timeout=5.0).topics
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return {name: len(topic.partitions) for name, topic in found.items()}
