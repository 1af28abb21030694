"""`topics.TopicAdmin` on confluent-kafka's AdminClient."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs hide them
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import error_of, translated
from rivergate.domain.errors import BrokerUnavailable, ConfigError, RivergateError, UnknownTopic
from rivergate.domain.record import TopicPartition as Partition
from rivergate.topics import BrokerTopic, TopicSpec

_REFUSED = {
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_REQUEST,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_LEADERLESS = {
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "UNKNOWN_LEADER_EPOCH",
    "FENCED_LEADER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "_NOENT",
}
_LEADER_S = 15.0


class KafkaAdmin:
    """See `topics.TopicAdmin` for the contract.

    Every call answers within about `timeout_s`, also while the broker is away. New topics get the broker's own
    default replication factor.
    """

    def __init__(self, bootstrap: str, security: Mapping[str, str] | None = None, *, timeout_s: float = 5.0) -> None:
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._client = AdminClient(kafka_settings.common(bootstrap, security))

    def names(self) -> Sequence[str]:
        """All topics, sorted, without the broker's own."""
        try:
            found = self._client.list_topics(timeout=self._timeout_s).topics
        except KafkaException as e:
            raise translated(e, "listing topics", self._bootstrap) from e
        return sorted(name for name in found if not name.startswith("__"))

    def describe(self, names: Iterable[str]) -> Mapping[str, BrokerTopic]:
        """Those of these topics that exist."""
        counts = self._partition_counts(list(names))
        if not counts:
            return {}
        configs = self._configs(list(counts))
        written = self._written(counts)
        return {
            name: BrokerTopic(name, count, configs[name], name in written)
            for name, count in counts.items()
            if name in configs
        }

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create them, and wait until each partition has a leader that answers."""
        new = [NewTopic(s.name, num_partitions=s.partitions, config=dict(s.config)) for s in specs]
        for name, future in self._client.create_topics(new, request_timeout=self._timeout_s).items():
            try:
                self._result(future, f"creating topic {name}")
            except KafkaException as e:
                if error_of(e).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._refused(e, f"creating topic {name}") from e
        self._ends({(s.name, p) for s in specs for p in range(s.partitions)}, deleted_meanwhile=False)

    def alter(self, name: str, config: Mapping[str, str]) -> None:
        """Change these settings and leave the others."""
        entries = [
            ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
            for setting, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        futures = self._client.incremental_alter_configs([resource], request_timeout=self._timeout_s)
        for future in futures.values():
            try:
                self._result(future, f"altering topic {name}")
            except KafkaException as e:
                raise self._refused(e, f"altering topic {name}") from e

    def close(self) -> None:
        """The client releases its connections when it is collected."""
        del self._client

    def _partition_counts(self, names: list[str]) -> dict[str, int]:
        if not names:
            return {}
        futures = self._client.describe_topics(TopicCollection(names), request_timeout=self._timeout_s)
        counts: dict[str, int] = {}
        for name, future in futures.items():
            try:
                counts[name] = len(self._result(future, f"describing topic {name}").partitions)
            except KafkaException as e:
                self._unless_absent(e, f"describing topic {name}")
        return counts

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        futures = self._client.describe_configs(resources, request_timeout=self._timeout_s)
        configs: dict[str, dict[str, str]] = {}
        for resource, future in futures.items():
            try:
                entries = self._result(future, f"reading the settings of topic {resource.name}")
            except KafkaException as e:
                self._unless_absent(e, f"reading the settings of topic {resource.name}")
                continue
            configs[resource.name] = {k: entry.value for k, entry in entries.items() if entry.value is not None}
        return configs

    def _written(self, counts: Mapping[str, int]) -> set[str]:
        """Topics whose end isn't at the very beginning: a record was there once, even if retention has removed it."""
        ends = self._ends({(name, p) for name, count in counts.items() for p in range(count)}, deleted_meanwhile=True)
        return {name for (name, _), end in ends.items() if end > 0}

    def _ends(self, partitions: set[Partition], *, deleted_meanwhile: bool) -> dict[Partition, int]:
        """End offset of each partition; waits while a partition gets its leader, as it does just after its creation.

        `deleted_meanwhile` leaves out those that don't exist; else they are waited for too.
        """
        ends: dict[Partition, int] = {}
        left = set(partitions)
        deadline = time.monotonic() + _LEADER_S
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        while True:
            wanted = {TopicPartition(*partition): latest for partition in left}
            for found, future in self._client.list_offsets(wanted, request_timeout=self._timeout_s).items():
                doing = f"looking at {found.topic}/{found.partition}"
                try:
                    ends[found.topic, found.partition] = self._result(future, doing).offset
                except KafkaException as e:
                    error = translated(e, doing, self._bootstrap)
                    absent = isinstance(error, UnknownTopic)
                    if absent and deleted_meanwhile:
                        left.discard((found.topic, found.partition))
                    elif not absent and error_of(e).name() not in _LEADERLESS:
                        raise error from e
            left -= ends.keys()
            if not left:
                return ends
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"no leader after {_LEADER_S:.0f} s: {', '.join(sorted({name for name, _ in left}))}",
                    where=self._bootstrap,
                    remedy="see the broker's log; once it has recovered, run the command again",
                )
            time.sleep(0.02)
            self.names()  # librdkafka asks its cache for leaders, and this is what refreshes the cache

    def _result(self, future: Future[Any], doing: str) -> Any:
        """What the broker answered. Raises KafkaException, and `BrokerUnavailable` where there is no answer."""
        try:
            return future.result(self._timeout_s + 5.0)
        except TimeoutError as e:
            raise BrokerUnavailable(
                f"{doing}: no answer", where=self._bootstrap, remedy="see whether the broker runs and is reachable"
            ) from e

    def _unless_absent(self, e: KafkaException, doing: str) -> None:
        """Raise our error, unless the topic is away: somebody may have deleted it since we saw its name."""
        error = translated(e, doing, self._bootstrap)
        if not isinstance(error, UnknownTopic):
            raise error from e

    def _refused(self, e: KafkaException, doing: str) -> RivergateError:
        error = error_of(e)
        if error.code() in _REFUSED:
            return ConfigError(
                f"{doing}: the broker refused: {error.str()}",
                where=self._bootstrap,
                remedy="correct the topic's file, or ask who runs the broker for the permission or the policy",
            )
        return translated(e, doing, self._bootstrap)
