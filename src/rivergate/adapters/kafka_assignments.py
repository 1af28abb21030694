"""Assignments on the log: the supervisor writes who owns which shard, workers follow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from confluent_kafka import KafkaException, Producer

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import transaction_error
from rivergate.adapters.kafka_fence import fencing_producer
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.errors import AlreadyRunning, Fenced
from rivergate.domain.record import Record

_LOG = logging.getLogger("rivergate.runtime")
COMMIT_S = 10.0


class AssignmentLog:
    """Writes assignments. One supervisor at a time: opening fences the one before. One thread."""

    def __init__(
        self, bootstrap: str, app: str, name: str = "supervisor", security: Mapping[str, str] | None = None
    ) -> None:
        self._app = app
        self._bootstrap = bootstrap
        self._topic = names.topic(app, names.ASSIGNMENTS)
        self._source = names.source(app, name)
        self._settings = kafka_settings.transactional(bootstrap, f"{app}.{name}", security)
        self._producer: Producer | None = None
        self._follow = partial(FollowedAssignments, bootstrap, app, security, old_ones=False)
        self._followed: FollowedAssignments | None = None
        self._workers: dict[str, set[str]] = {}

    def open(self) -> None:
        """Fence the previous supervisor. Raises `BrokerUnavailable`."""
        producer = fencing_producer(self._settings, self._topic, "taking over as supervisor")
        if self._followed is None:
            self._followed = self._follow()
        self._producer = producer

    def publish(
        self,
        stages: Mapping[str, Mapping[int, tuple[str, int]]],
        at: Micros,
        parked: Mapping[tuple[str, int], str] | None = None,
    ) -> None:
        """Write (owner, attempt) of every shard of these stages, all at once. Raises `AlreadyRunning` when fenced.

        Owners of shards that are `parked` keep them standing; it says why.

        After a failure the next call begins with a fence of its own: nobody knows what became of the transaction,
        and writing the newest owners again does no harm.
        """
        if self._producer is None:
            self.demand_ours()
            self.open()
        producer, self._producer = self._producer, None
        assert producer is not None  # noqa: S101 - `open` sees to it
        for stage, owners in stages.items():
            self._workers.setdefault(stage, set()).update(worker for worker, _ in owners.values())
        try:
            producer.begin_transaction()
            for stage, owners in stages.items():
                value: dict[str, Any] = {
                    "stage": stage,
                    "at": rfc3339(at),
                    "shards": {str(s): worker for s, (worker, _) in owners.items()},
                    "attempts": {str(s): attempt for s, (_, attempt) in owners.items()},
                }
                if standing := {str(s): why for (of, s), why in (parked or {}).items() if of == stage and s in owners}:
                    value["parked"] = standing
                headers = event_headers(self._source, names.ASSIGNMENT_V1, f"{stage}/{at}", at)
                producer.produce(self._topic, orjson.dumps(value), stage.encode(), 0, headers=dict(headers))
            producer.commit_transaction(COMMIT_S)
        except KafkaException as e:
            error = transaction_error(e, "writing assignments")
            if isinstance(error, Fenced):
                raise self._taken_over() from e
            raise error from e
        self._producer = producer

    def demand_ours(self) -> None:
        """Raise `AlreadyRunning` if the newest assignment of a stage that we wrote is somebody else's."""
        if self._followed is None:
            return
        newest = self._followed.owners()
        for stage, workers in self._workers.items():
            if any(worker not in workers for worker, _ in newest.get(stage, {}).values()):
                raise self._taken_over()

    def _taken_over(self) -> AlreadyRunning:
        return AlreadyRunning(
            f"another supervisor has taken app {self._app} over",
            where=self._bootstrap,
            remedy="run one supervisor for an app: `rivergate shards list` shows who owns its shards now",
        )


class FollowedAssignments:
    """Reads assignments; the newest record of a stage holds. Without `old_ones` it begins at the end. One thread."""

    def __init__(
        self, bootstrap: str, app: str, security: Mapping[str, str] | None = None, *, old_ones: bool = True
    ) -> None:
        self._tail = KafkaTail(bootstrap, f"{app}.assignments-follower", security)
        partition = (names.topic(app, names.ASSIGNMENTS), 0)
        low, high = self._tail.watermarks(partition)
        self._tail.seek({partition: low if old_ones else high})
        self._owners: dict[str, dict[int, tuple[str, int]]] = {}
        self._parked: dict[str, dict[int, str]] = {}

    def shards_of(self, stage: str, worker: str) -> dict[int, int]:
        """Shards that the newest assignment gives this worker, with the attempt that it asks for."""
        return {s: attempt for s, (w, attempt) in self.owners().get(stage, {}).items() if w == worker}

    def parked(self, stage: str) -> Mapping[int, str]:
        """Shards that an operator has parked, and why, as of the last look at `shards_of`."""
        return self._parked.get(stage, {})

    def owners(self) -> Mapping[str, Mapping[int, tuple[str, int]]]:
        """Owner and attempt of every shard by stage, as far as assignments were read."""
        while records := self._tail.poll(1000, 0.05):
            for r in records:
                self._take(r)
        return self._owners

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
            owners = {int(s): (w, attempts.get(s, 0)) for s, w in value["shards"].items()}
            parked = {int(s): str(why) for s, why in value.get("parked", {}).items()}
            self._owners[value["stage"]], self._parked[value["stage"]] = owners, parked
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            _LOG.warning("%s is no assignment (%r): passed over", record.position, e)
