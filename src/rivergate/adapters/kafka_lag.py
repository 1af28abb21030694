"""`ports.Lag` on confluent-kafka's AdminClient, whose answers come by themselves: nobody waits for the broker."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its stubs hide them

from rivergate.adapters import kafka_settings
from rivergate.domain.record import TopicPartition as Partition

_LOG = logging.getLogger("rivergate.kafka.lag")

ANSWER_S = 5.0


class LagClient:
    """What the shards of a process share to ask with. Any thread."""

    def __init__(self, bootstrap: str, security: Mapping[str, str] | None = None) -> None:
        self._admin = AdminClient(kafka_settings.common(bootstrap, security))

    def lag(self, group: str, partitions: Iterable[Partition]) -> KafkaLag:
        """One shard's view of a group."""
        return KafkaLag(self._admin, group, list(partitions))


class KafkaLag:
    """See `ports.Lag` for the contract."""

    def __init__(self, admin: AdminClient, group: str, partitions: list[Partition]) -> None:
        self._admin = admin
        self._group = group
        self._partitions = partitions
        self._reads_from: dict[Partition, int] = {}
        self._asked: tuple[Future[Any], dict[Partition, Future[Any]]] | None = None
        self._failure = ""

    def ask(self) -> bool:
        """Ask for committed offsets and for ends at the same time."""
        if self._asked is not None:
            return False
        wanted = [TopicPartition(*p) for p in self._partitions]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        try:
            committed = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._group, wanted)], request_timeout=ANSWER_S
            )
            ends = self._admin.list_offsets(dict.fromkeys(wanted, latest), request_timeout=ANSWER_S)
        except KafkaException:
            return False
        self._asked = committed[self._group], {(tp.topic, tp.partition): found for tp, found in ends.items()}
        return True

    def answer(self) -> Mapping[Partition, int] | None:
        """What came, once all of it has."""
        if self._asked is None:
            return None
        committed, ends = self._asked
        if not all(found.done() for found in (committed, *ends.values())):
            return None
        self._asked = None
        self._note_failure([f.exception() for f in (committed, *ends.values())])
        if committed.exception() is not None:
            return None
        known = {(x.topic, x.partition): x.offset for x in committed.result().topic_partitions if x.error is None}
        behind = {}
        for partition, found in ends.items():
            if found.exception() is None and partition in known:
                end = found.result().offset
                if known[partition] >= 0:
                    self._reads_from[partition] = known[partition]
                behind[partition] = max(0, end - self._reads_from.setdefault(partition, end))
        return behind

    def _note_failure(self, errors: list[BaseException | None]) -> None:
        """Say it once for each outage: what can't be learnt holds intake back in the end."""
        failure = next((str(e) for e in errors if e is not None), "")
        if failure and not self._failure:
            remedy = f"this client needs to describe the group {self._group} and the topics that it reads"
            _LOG.warning(
                "how far %s is behind can't be learnt: %s\n→ where the broker runs, %s", self._group, failure, remedy
            )
        self._failure = failure
