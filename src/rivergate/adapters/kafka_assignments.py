"""Assignments on the log: the supervisor writes who owns which shard, workers follow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaException, Producer

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import transaction_error, translated
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.errors import AlreadyRunning, Fenced
from rivergate.domain.record import Record

_LOG = logging.getLogger("rivergate.runtime")
COMMIT_S = 10.0
INIT_S = 30.0


class AssignmentLog:
    """Writes assignments. One supervisor at a time: opening fences the one before. One thread."""

    def __init__(
        self, bootstrap: str, app: str, name: str = "supervisor", security: Mapping[str, str] | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = names.topic(app, names.ASSIGNMENTS)
        self._source = names.source(app, name)
        settings = kafka_settings.transactional(bootstrap, f"{app}.{name}", security)
        self._producer = Producer(settings)

    def open(self) -> None:
        """Fence the previous supervisor. Raises `BrokerUnavailable`."""
        try:
            self._producer.init_transactions(INIT_S)
        except KafkaException as e:
            raise translated(e, "taking over as supervisor", self._bootstrap) from e

    def publish(self, stages: Mapping[str, Mapping[int, tuple[str, int]]], at: Micros) -> None:
        """Write (owner, attempt) of every shard of these stages, all at once. Raises `AlreadyRunning` when fenced."""
        try:
            self._producer.begin_transaction()
            for stage, owners in stages.items():
                value: dict[str, Any] = {
                    "stage": stage,
                    "at": rfc3339(at),
                    "shards": {str(s): worker for s, (worker, _) in owners.items()},
                    "attempts": {str(s): attempt for s, (_, attempt) in owners.items()},
                }
                headers = event_headers(self._source, names.ASSIGNMENT_V1, f"{stage}/{at}", at)
                self._producer.produce(self._topic, orjson.dumps(value), stage.encode(), 0, headers=dict(headers))
            self._producer.commit_transaction(COMMIT_S)
        except KafkaException as e:
            error = transaction_error(e, "writing assignments")
            if isinstance(error, Fenced):
                raise AlreadyRunning(
                    "another supervisor has taken this app over", remedy="run one supervisor for an app"
                ) from e
            raise error from e


class FollowedAssignments:
    """Reads assignments; the newest record of a stage holds. One thread."""

    def __init__(self, bootstrap: str, app: str, security: Mapping[str, str] | None = None) -> None:
        self._tail = KafkaTail(bootstrap, f"{app}.assignments-follower", security)
        partition = (names.topic(app, names.ASSIGNMENTS), 0)
        low, _ = self._tail.watermarks(partition)
        self._tail.seek({partition: low})
        self._owners: dict[str, dict[int, tuple[str, int]]] = {}

    def shards_of(self, stage: str, worker: str) -> dict[int, int]:
        """Shards that the newest assignment gives this worker, with the attempt that it asks for."""
        while records := self._tail.poll(1000, 0.05):
            for r in records:
                self._take(r)
        return {s: attempt for s, (w, attempt) in self._owners.get(stage, {}).items() if w == worker}

    def close(self) -> None:
        """Release the connections."""
        self._tail.close()

    def _take(self, record: Record) -> None:
        """A record of the supervisor's; anybody else's is passed over, or one of them would stop every worker."""
        value = record.json_object
        if record.ce_type != names.ASSIGNMENT_V1 or value is None:
            _LOG.warning("%s is no assignment: passed over", record.position)
            return
        try:
            attempts = value.get("attempts", {})
            self._owners[value["stage"]] = {int(s): (w, attempts.get(s, 0)) for s, w in value["shards"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            _LOG.warning("%s is no assignment (%r): passed over", record.position, e)
