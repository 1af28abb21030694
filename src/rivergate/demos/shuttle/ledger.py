"""The ledger: what an app's topics say, read by somebody who shares no code with the kernel that wrote them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from rivergate.demos.shuttle.commit_line import commit_in
from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.record import Record

Partition = tuple[str, int]

FINAL = ("done", "failed", "refused")


class Ledger:
    """Filled record by record, in any order of partitions. Keeps ids and offsets, not records.

    `events` has each event id with its positions; `labels` the event id of each label. Dicts from proposal id
    have a list each, so that what stands on the log twice shows. The pace is that of events since `since_ms`.
    `strays` are lines of journals that are no commit records of their shard.
    """

    def __init__(self, app: str, telemetry: str, agent: str, since_ms: int = 0) -> None:
        self.telemetry = telemetry
        self.agent_stage = names.agent_stage(agent)
        self.reads = {
            self.agent_stage: (telemetry, names.topic(app, names.LABELS)),
            names.GATE: tuple(names.topic(app, n) for n in (names.PROPOSALS, names.DECISIONS, names.OUTCOMES)),
            names.EFFECTS: (names.topic(app, names.ACTIONS),),
        }
        self.events: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.labels: list[str] = []
        self.proposals: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()
        self.settled: dict[str, list[str]] = defaultdict(list)
        self.denials: Counter[str] = Counter()
        self.actions: dict[str, list[str]] = defaultdict(list)
        self.outcomes: dict[str, list[str]] = defaultdict(list)
        self.dead_letters: Counter[str] = Counter()
        self.spans = 0
        self.judged: set[str] = set()
        self.ranges: dict[tuple[str, Partition], list[tuple[int, int]]] = defaultdict(list)
        self.offsets: dict[Partition, list[int]] = defaultdict(list)
        self.claimed: Counter[tuple[str, str]] = Counter()
        self.written: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.written_twice = 0
        self.strays: list[str] = []
        self.since_ms = since_ms
        self.recent_events = 0
        self.first_event_ms = 0
        self.last_commit_ms = 0
        self._spans_topic = names.topic(app, names.OTLP_SPANS)
        self._journals = names.journal_topic(app, "")
        self._read_topics = {t for topics in self.reads.values() for t in topics}
        self._by_topic: dict[str, Callable[[Record], None]] = {
            telemetry: self._event,
            self._spans_topic: self._span,
            names.topic(app, names.DEAD_LETTERS): self._dead_letter,
        }
        self._by_type: dict[str, Callable[[str, dict[str, Any]], None]] = {
            names.PROPOSAL_V1: lambda pid, _: self.proposals.update([pid]),
            names.REVIEW_OPENED_V1: lambda pid, _: self.opened.update([pid]),
            names.REVIEW_SETTLED_V1: lambda pid, v: self.settled[pid].append(v["result"]),
            names.DENIAL_V1: lambda pid, _: self.denials.update([pid]),
            names.ACTION_V1: lambda pid, v: self.actions[pid].append(v["verdict"]),
            names.OUTCOME_V1: self._outcome,
            names.LABEL_V1: lambda _, v: self.labels.append(v["event_id"]),
        }

    def add(self, record: Record) -> None:
        """Take one committed record of any of the app's topics into account."""
        topic = record.topic
        if topic.startswith(self._journals):
            self._commit(record)
            return
        if topic in self._read_topics:
            self.offsets[topic, record.partition].append(record.offset)
        commit = record.header("rg_commit")
        if commit is not None:
            self._output(topic, commit.decode())
        handler = self._by_topic.get(topic)
        if handler is not None:
            handler(record)
            return
        typed = self._by_type.get(record.ce_type)
        if typed is not None:
            value = orjson.loads(record.value or b"{}")
            typed(str(value.get("proposal_id", "")), value)

    # --- kinds of records ----------------------------------------------------------------------------------

    def _event(self, record: Record) -> None:
        self.events[record.event_id].append((record.partition, record.offset))
        if record.timestamp_ms >= self.since_ms:
            self.recent_events += 1
            self.first_event_ms = min(self.first_event_ms or record.timestamp_ms, record.timestamp_ms)

    def _outcome(self, pid: str, value: dict[str, Any]) -> None:
        if value["status"] in FINAL:
            self.outcomes[pid].append(value["status"])

    def _dead_letter(self, record: Record) -> None:
        self.dead_letters[(record.header("rg_origin") or b"?").decode()] += 1

    def _span(self, record: Record) -> None:
        for resource in TracesData.FromString(record.value or b"").resource_spans:
            for scope in resource.scope_spans:
                self.spans += len(scope.spans)
                for span in scope.spans:
                    if span.name.startswith("gate "):
                        ids = (a.value.string_value for a in span.attributes if a.key == "rivergate.proposal.id")
                        self.judged.update(ids)

    def _output(self, topic: str, commit: str) -> None:
        name, _, number = commit.rpartition("/")
        seen = self.written[name, topic]
        if number in seen:
            self.written_twice += 1
        seen.add(number)

    def _commit(self, record: Record) -> None:
        value = commit_in(record)
        if value is None:
            self.strays.append(str(record.position))
            return
        stage = value["stage"]
        name = f"{stage}/{value['shard']}/{value['seq']}"
        for topic, partition, start, end in value["ranges"]:
            self.ranges[stage, (topic, partition)].append((start, end))
        for topic, count in value["outputs"].items():
            self.claimed[name, topic] += count
        self.claimed[name, self._spans_topic] += value["spans"]["records"]
        if stage == self.agent_stage and any(r[0] == self.telemetry for r in value["ranges"]):
            clock_ms = parse_rfc3339(value["clock"]) // 1000
            self.last_commit_ms = max(self.last_commit_ms, record.timestamp_ms or clock_ms)
