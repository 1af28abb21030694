"""What has to be there before agents may propose: topics, keys, and a policy that the gate has put in force."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_status import ShardStatus, StatusFollower
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.domain import names
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.errors import BrokerUnavailable, ConfigError, RivergateError, ShardParked
from rivergate.domain.record import Record
from rivergate.gate.control import REVIEW_SERVICE, as_output, key_record, policy_record
from rivergate.runtime import keys
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.kafka.readiness import is_serving
from rivergate.runtime.paths import DataDir
from rivergate.runtime.stages import wall_clock
from rivergate.runtime.supervision import commands
from rivergate.runtime.supervision.plan import Slot
from rivergate.topics.apply import apply_topics
from rivergate.topics.catalogue import Catalogue

_LOG = logging.getLogger("rivergate.runtime")

CONTROL_S = 60.0
READ_S = 5.0
"""How long it may take to read what is on `control`, and what the gate has answered before; one that an operator has parked
answers nothing new."""
LOOK_S = 0.02
OPERATOR = "operator"


class Bootstrap:
    """Sees to topics and control once, and knows when everything that was planned runs. One thread."""

    def __init__(self, app: Declaration, data: DataDir, bootstrap: str, slots: Iterable[Slot]) -> None:
        self._app = app
        self._data = data
        self._bootstrap = bootstrap
        self._planned = {(s.stage, shard) for s in slots for shard in s.shards}
        self._status: StatusFollower | None = None
        self._ready = False
        self._on_purpose: set[tuple[str, int]] = set()
        self._begun: set[str] = set()
        self.is_ours: Callable[[str], bool] = lambda _worker: True

    def demand_broker(self) -> None:
        """See that a broker answers, before anything is started. Raises `BrokerUnavailable`."""
        admin = KafkaAdmin(self._bootstrap)
        try:
            admin.names()
        except BrokerUnavailable as e:
            raise BrokerUnavailable(
                f"no Kafka answers at {self._bootstrap}",
                remedy="start it, or correct --bootstrap; `rivergate broker` runs one, `rivergate up` brings its own",
            ) from e
        finally:
            admin.close()

    def wait_for_broker(self, stop: threading.Event) -> None:
        """Wait for a local broker that is starting, until `stop`: whoever starts it ends us if that fails."""
        port = int(self._bootstrap.rpartition(":")[2])
        while not stop.is_set() and not is_serving(port):  # a Kafka client would back off for longer and longer
            stop.wait(LOOK_S)

    def demand_topics(self) -> None:
        """Create and alter the app's topics; what would lose data or move keys is refused. Raises `ConfigError`."""
        app = self._app
        admin = KafkaAdmin(self._bootstrap)
        try:
            specs = Catalogue.for_app(app.name, app.partitions, app.stages, app.topics, used=app.uses)
            apply_topics(admin, specs).demand()
        finally:
            admin.close()

    def demand_own_log(self) -> None:
        """See that what is in force was signed by our operator. Raises `ConfigError`."""
        ours = keys.load_key(self._data.keys, keys.OPERATOR).key_id
        signers = {str(value["key_id"]) for value, _ in self._newest_control().values() if value.get("key_id")}
        if signers and ours not in signers:
            raise ConfigError(
                f"the topics of app {self._app.name} on {self._bootstrap} belong to another data directory: what is in "
                f"force there was signed by key {', '.join(sorted(signers))}, the operator's key here is {ours}",
                where=str(self._data.keys),
                remedy="start it on the data directory that it began with, or give the app another name",
            )

    def demand_control(self, stop: threading.Event, meanwhile: Callable[[], None]) -> None:
        """Publish the review service's key and the policy, unless the newest on the log are these already, and wait
        until the gate has answered, doing `meanwhile` again and again. Raises `ConfigError` where it refuses.
        """
        wanted = self._publish_what_is_new()
        tail = KafkaTail(self._bootstrap, f"{self._app.name}.control-watch")
        try:
            applied = (names.topic(self._app.name, names.CONTROL_APPLIED), 0)
            tail.seek({applied: tail.watermarks(applied)[0]})
            deadline = time.monotonic() + CONTROL_S
            while wanted and not stop.is_set():
                for r in tail.poll(1000, 0.1):
                    self._answered(r, wanted)
                meanwhile()
                gate = {k: s for k, s in self.reports().items() if k[0] == names.GATE}
                patient = time.monotonic() < deadline - CONTROL_S + READ_S
                self._demand_some_unparked(self._not_on_purpose(gate) if patient else gate)
                if time.monotonic() > deadline:
                    raise RivergateError(
                        f"the gate didn't answer within {CONTROL_S:.0f} s",
                        remedy=f"look into {self._data.logs / 'gate-0.log'}",
                    )
        finally:
            tail.close()

    def is_ready(self) -> bool:
        """Whether every planned shard reported that it runs, or that it is parked; once true it stays so.

        Raises `ShardParked` where all shards of a stage that never committed are parked, save those that an operator has
        parked: it was set up wrongly. One that has worked before leaves the others running, as it would have later.
        """
        if not self._ready:
            found = self.reports()
            self._demand_some_unparked(self._not_on_purpose(found), self._has_begun)
            self._ready = self._planned <= {k for k, s in found.items() if s.state in ("running", "parked")}
        return self._ready

    def demand_reports(self) -> None:
        """See that reports could be read now. Raises `BrokerUnavailable`."""
        if self._status is not None:
            self._status.demand_answer()

    def reports(self) -> dict[tuple[str, int], ShardStatus]:
        """The newest report of each planned shard, if a process of ours gave it.

        Those of a former supervisor's workers, and of another's that report on what they lost, say nothing about this
        start. Names tell them apart: times don't, since workers report by the clocks of their own machines.
        """
        if self._status is None:
            self._status = StatusFollower(KafkaTail(self._bootstrap, f"{self._app.name}.readiness"), self._app.name)
        found = self._status.read()
        return {k: s for k, s in found.items() if k in self._planned and self.is_ours(s.worker)}

    def _not_on_purpose(self, found: Mapping[tuple[str, int], ShardStatus]) -> Mapping[tuple[str, int], ShardStatus]:
        """Without the shards that an operator has parked, or had when we looked before."""
        self._on_purpose |= commands.parked(self._data).keys()
        return {k: s for k, s in found.items() if k not in self._on_purpose}

    def _demand_some_unparked(
        self,
        found: Mapping[tuple[str, int], ShardStatus],
        excused: Callable[[str], bool] = lambda _stage: False,
    ) -> None:
        for stage in {s for s, _ in self._planned}:
            shards = [k for k in self._planned if k[0] == stage]
            parked = [found[k] for k in sorted(shards) if k in found and found[k].state == "parked"]
            if len(parked) == len(shards) and not excused(stage):
                what, _, remedy = parked[0].reason.partition("\n→ ")
                raise ShardParked(f"nothing of {stage} runs: {what}", remedy=remedy)

    def _has_begun(self, stage: str) -> bool:
        """Whether a shard of the stage has ever committed."""
        if stage not in self._begun:
            tail = KafkaTail(self._bootstrap, f"{self._app.name}.journal-ends")
            try:
                journal = names.journal_topic(self._app.name, stage)
                if any(tail.watermarks((journal, shard))[1] for s, shard in self._planned if s == stage):
                    self._begun.add(stage)
            finally:
                tail.close()
        return stage in self._begun

    def _answered(self, record: Record, wanted: set[int]) -> None:
        value = record.json_object or {}
        control = value.get("control")
        offset = control.get("offset") if isinstance(control, dict) else None
        if record.ce_type != names.CONTROL_APPLIED_V1 or offset not in wanted:
            return
        if value.get("result") != "applied":
            raise ConfigError(
                f"the gate refused {value.get('what')}: {value.get('reason')}", where=str(self._app.policy)
            )
        wanted.discard(offset)

    def _publish_what_is_new(self) -> set[int]:
        """Offsets on `control` whose answers have to be awaited."""
        operator = keys.load_key(self._data.keys, keys.OPERATOR)
        review = keys.load_key(self._data.keys, keys.REVIEW)
        at = wall_clock()
        records = [
            (names.KEY_TRUSTED_V1, key_record(review.public, REVIEW_SERVICE, operator, OPERATOR, at)),
            (
                names.POLICY_PUSHED_V1,
                policy_record(self._read_policy(), self._app.policy.name, self._app.schemas, operator, OPERATOR, at),
            ),
        ]
        newest = self._newest_control()
        writer = KafkaWriter(self._bootstrap)
        offsets = set()
        try:
            for ce_type, value in records:
                found = newest.get(_subject(ce_type, value))
                if found is not None and _same(found[0], value):
                    offsets.add(found[1])
                    continue
                output = as_output(self._app.name, ce_type, value)
                source = names.source(self._app.name, OPERATOR)
                headers = event_headers(source, ce_type, output.ce_id.decode(), at, output.traceparent)
                _, offset = writer.send(output, headers)
                offsets.add(offset)
        finally:
            writer.close()
        return offsets

    def _newest_control(self) -> dict[str, tuple[dict[str, Any], int]]:
        tail = KafkaTail(self._bootstrap, f"{self._app.name}.control-reader")
        found = {}
        try:
            control = (names.topic(self._app.name, names.CONTROL), 0)
            low, high = tail.watermarks(control)
            tail.seek({control: low})
            at = low
            while at < high:
                records = tail.poll(1000, READ_S)
                if not records:
                    break
                for r in records:
                    at = r.offset + 1
                    value = r.json_object or {}
                    found[_subject(r.ce_type, value)] = (value, r.offset)
        finally:
            tail.close()
        return found

    def _read_policy(self) -> str:
        try:
            return self._app.policy.read_text()
        except OSError as e:
            raise ConfigError(f"the policy can't be read: {e.strerror}", where=str(self._app.policy)) from e


_VARIES = {"issued_at", "signature"}


def _subject(ce_type: str, value: dict[str, Any]) -> str:
    return f"{ce_type}:{value.get('role', '')}"


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return {k: v for k, v in a.items() if k not in _VARIES} == {k: v for k, v in b.items() if k not in _VARIES}
