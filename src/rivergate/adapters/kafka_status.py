"""What shards are doing, on the compacted topic `{app}.shard_status`, outside of commits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.record import Record

_LOG = logging.getLogger("rivergate.runtime")

REASON_CHARS = 4000
"""As much of a reason is reported; all of it is in the worker's log."""


class Report(Protocol):
    """A shard's report, as `runtime.worker.ShardReport` has it."""

    @property
    def stage(self) -> str:
        """The stage."""

    @property
    def shard(self) -> int:
        """The shard's number."""

    @property
    def worker(self) -> str:
        """The incarnation that runs it."""

    @property
    def state(self) -> str:
        """What it is doing."""

    @property
    def reason(self) -> str:
        """Why, where that needs saying."""

    @property
    def share(self) -> float | None:
        """How much of its recovery, or of the history that it catches up with, is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """The newest report of a shard; `at` is RFC 3339, `share` how much of a recovery, or of catching up
    with history, is done (0 to 1).
    """

    stage: str
    shard: int
    worker: str
    state: str
    reason: str
    at: str
    share: float | None = None


class KafkaStatus:
    """Writes reports. Any thread; never waits for the broker, and a lost report is made good by the next."""

    def __init__(self, bootstrap: str, app: str, security: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._topic = names.topic(app, names.SHARD_STATUS)
        self._producer = Producer(kafka_settings.producer(bootstrap, security))
        self._lock = threading.Lock()

    def report(self, report: Report) -> None:
        """Write what a shard is doing."""
        at = time.time_ns() // 1000
        value: dict[str, Any] = {
            "stage": report.stage,
            "shard": report.shard,
            "worker": report.worker,
            "state": report.state,
            "reason": report.reason[:REASON_CHARS].encode(errors="replace").decode(),  # it may be an agent's own words
            "at": rfc3339(at),
        }
        if report.share is not None:
            value["share"] = report.share
        shard = f"{report.stage}/{report.shard}"
        headers = event_headers(names.source(self._app, report.stage), names.SHARD_STATUS_V1, f"{shard}/{at}", at)
        with self._lock:
            try:
                self._producer.produce(
                    self._topic, orjson.dumps(value), shard.encode(), 0, headers=dict(headers), on_delivery=_demand_told
                )
                self._producer.poll(0)
            except (BufferError, KafkaException) as e:
                _LOG.warning("a report of %s/%d was lost: %s", report.stage, report.shard, e)

    def close(self) -> None:
        """Flush for up to a second."""
        with self._lock:
            self._producer.flush(1.0)


def read_statuses(
    bootstrap: str, app: str, security: Mapping[str, str] | None = None
) -> dict[tuple[str, int], ShardStatus]:
    """The newest report of every shard. Raises `BrokerUnavailable`, `UnknownTopic`."""
    tail = KafkaTail(bootstrap, f"{app}.status-reader", security)
    try:
        return StatusFollower(tail, app).read()
    finally:
        tail.close()


class StatusFollower:
    """Keeps the newest report of every shard. One thread."""

    def __init__(self, tail: KafkaTail, app: str) -> None:
        self._tail = tail
        self._found: dict[tuple[str, int], ShardStatus] = {}
        self._partition = tail.partitions(names.topic(app, names.SHARD_STATUS))[0]
        low, self._high = tail.watermarks(self._partition)
        self._at = low
        tail.seek({self._partition: low})

    def demand_answer(self) -> None:
        """See that the broker that has the reports answers. Raises `BrokerUnavailable`."""
        self._tail.watermarks(self._partition)

    def read(self) -> dict[tuple[str, int], ShardStatus]:
        """Take what is new (at the first call all that there was), and return the newest report of every shard."""
        while True:
            records = self._tail.poll(1000, 0.02 if self._at >= self._high else 1.0)
            if not records:
                return dict(self._found)
            for r in records:
                self._at = r.offset + 1
                status = _status(r)
                if status is not None:
                    self._found[status.stage, status.shard] = status


def _demand_told(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        _LOG.warning("a report of %s was lost: %s", (message.key() or b"").decode(errors="replace"), error)


def _status(record: Record) -> ShardStatus | None:
    """The report that a record is, or None for what somebody else has written there."""
    v = record.json_object
    if record.ce_type != names.SHARD_STATUS_V1 or v is None:
        return None
    try:
        return ShardStatus(v["stage"], v["shard"], v["worker"], v["state"], v["reason"], v["at"], v.get("share"))
    except KeyError:
        return None
