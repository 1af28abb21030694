"""Builds what an app's topics hold about proposals: records as WIRE has them, spans as stages write them."""

from __future__ import annotations

from typing import Any

import orjson

from rivergate.audit.otlp import SpanEncoder
from rivergate.audit.stored import StoredRecord
from rivergate.domain import names
from rivergate.domain.clock import SECOND, rfc3339
from rivergate.domain.ids import arguments_digest, proposal_id, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Headers, Record
from rivergate.domain.span import CONSUMER, Span

APP = "shuttle"
POLICY = "9f2c4e" + "0" * 58
START = 1_795_000_000 * SECOND
COSTLY = {
    "id": "costly-needs-a-person",
    "verdict": "review",
    "because": "Stopping a machine costs a shift; a person decides.",
    "values": {"arguments.cost": 1800, "constants.review_above": 500},
}
NEVER_AT_NIGHT = {
    "id": "never-at-night",
    "verdict": "deny",
    "because": "Nobody is there to restart the machine before six.",
    "values": {"event_hour": 3},
}
CHEAP = {"id": "cheap-passes", "verdict": "allow", "because": "", "values": {"arguments.cost": 40}}


class Story:
    """One app's log in the making. Times advance with every step; `records` is what was written, in order."""

    def __init__(self, app: str = APP) -> None:
        self.app = app
        self.now = START
        self.records: list[Record] = []
        self._next: dict[str, int] = {}
        self._encoders: dict[str, SpanEncoder] = {}

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)

    def write(self, topic: str, value: bytes | None, headers: Headers, partition: int = 3) -> Record:
        """Append a record to a topic, after a gap as transaction markers leave them."""
        offset = self._next.get(topic, 100)
        self._next[topic] = offset + 2
        record = Record(topic, partition, offset, b"line-4", value, headers)
        self.records.append(record)
        return record

    def event(self, number: int, **fields: Any) -> tuple[Record, str]:
        """A telemetry event (kept apart from the audited records) and its id."""
        record = Record(
            "telemetry", 3, number, b"line-4", orjson.dumps(fields), [("ce_time", rfc3339(self.now).encode())]
        )
        return record, record.event_id

    def record(self, name: str, ce_type: str, stage: str, value: dict[str, Any], parent: tuple[str, str]) -> Record:
        """A CloudEvent of a stage."""
        headers: Headers = [
            ("ce_specversion", b"1.0"),
            ("ce_source", names.source(self.app, stage).encode()),
            ("ce_time", rfc3339(self.now).encode()),
            ("ce_id", str(value.get("decision_id") or value.get("proposal_id")).encode()),
            ("ce_type", ce_type.encode()),
            ("traceparent", traceparent(*parent)),
        ]
        return self.write(names.topic(self.app, name), orjson.dumps(value), headers)

    def spans(self, stage: str, *spans: Span) -> Record:
        """A span record of a stage."""
        encoder = self._encoders.setdefault(
            stage, SpanEncoder({"service.name": f"{self.app}.{stage}", "service.namespace": self.app}, "0.1.0")
        )
        [message] = encoder.encode(spans)
        return self.write(names.topic(self.app, names.OTLP_SPANS), message, [("rg_commit", f"{stage}/3/7/s0".encode())])


class Proposed:
    """The way of one proposal through the stages of a story."""

    def __init__(
        self, story: Story, number: int, kind: str = "shut_down", *, agent: str = "watcher", cost: int = 1800
    ) -> None:
        self.story = story
        self.kind = kind
        self.agent = agent
        self.arguments = {"machine": "line-4", "cost": cost}
        self.record, self.event_id = story.event(number, line="line-4", sensors={"s1": 3.2, "s9": 81.0})
        self.id = proposal_id(story.app, agent, self.event_id, 0)
        self.digest = arguments_digest(kind, self.arguments)
        self.trace_id = trace_id_of(self.event_id)
        self.place = {"topic": "telemetry", "partition": 3, "offset": number}
        self.last = ""
        self.opened_at = 0
        self.common = {"proposal_id": self.id, "event_id": self.event_id, "event": self.place}

    def span(self, stage: str, name: str, micros: int, error: str = "", **attributes: Any) -> Span:
        """A span under the last one; time passes while it lasts."""
        start = self.story.now * 1000
        self.story.now += micros
        span = Span(
            name,
            self.trace_id,
            span_id_of(stage, name, self.id, str(start)),
            start,
            self.story.now * 1000,
            parent_id=self.last,
            attributes={"rivergate.proposal.id": self.id} | attributes,
            error=error,
        )
        self.last = span.span_id
        return span

    def step(self, name: str, ce_type: str, stage: str, **value: Any) -> None:
        """A record of this proposal."""
        self.story.record(name, ce_type, stage, value, (self.trace_id, self.last))

    def propose(self, confidence: float = 0.93) -> Proposed:
        """The agent proposes; its batch links to the span."""
        stage = names.agent_stage(self.agent)
        span = self.span(
            stage,
            f"invoke_agent {self.agent}",
            340,
            **{
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": self.agent,
                "messaging.destination.name": "telemetry",
                "messaging.destination.partition.id": "3",
                "messaging.kafka.offset": self.place["offset"],
                "rivergate.event.id": self.event_id,
            },
        )
        reasons = [
            {"text": "sensor 9 far above what this machine had last week"},
            {"feature": "s9", "value": 81.0, "contribution": 2.41},
            {"feature": "s1", "value": 3.2, "contribution": -0.38},
        ]
        self.step(
            names.PROPOSALS,
            names.PROPOSAL_V1,
            stage,
            app=self.story.app,
            agent=self.agent,
            kind=self.kind,
            arguments=self.arguments,
            arguments_digest=self.digest,
            confidence=confidence,
            reasons=reasons,
            ordinal=0,
            expires_at=rfc3339(self.story.now + 3600 * SECOND),
            **self.common,
        )
        batch = Span(
            "process telemetry",
            trace_id_of(f"batch {self.id}"),
            span_id_of("batch", self.id),
            span.start_ns - 900_000,
            span.end_ns + 1_400_000,
            kind=CONSUMER,
            attributes={
                "rivergate.commit": f"{stage}/3/7",
                "messaging.batch.message_count": 412,
                "messaging.destination.name": "telemetry",
            },
            links=[(span.trace_id, span.span_id)],
        )
        self.story.spans(stage, span, batch)
        return self

    def gate(self, verdict: str, *rules: dict[str, Any]) -> None:
        """The gate's span; what it writes follows."""
        self.story.pass_time(0.009)
        span = self.span(
            "gate", f"gate {self.kind}", 120, **{"rivergate.verdict": verdict, "rivergate.kind": self.kind}
        )
        self.story.spans("gate", span)

    def allow(self) -> Proposed:
        """Allowed at once."""
        self.gate("allow", CHEAP)
        self.act("allow", [CHEAP], [])
        return self

    def act(self, verdict: str, rules: list[dict[str, Any]], decisions: list[str], **more: Any) -> None:
        """The action is written."""
        self.step(
            names.ACTIONS,
            names.ACTION_V1,
            "gate",
            kind=self.kind,
            arguments=self.arguments,
            arguments_digest=self.digest,
            policy_digest=POLICY,
            verdict=verdict,
            rules=rules,
            decisions=decisions,
            expires_at=rfc3339(self.story.now + 3600 * SECOND),
            **self.common,
            **more,
        )

    def deny(self, reason: str = "never-at-night") -> Proposed:
        """Denied at once."""
        self.gate("deny", NEVER_AT_NIGHT)
        self.step(
            names.DENIALS,
            names.DENIAL_V1,
            "gate",
            policy_digest=POLICY,
            rules=[NEVER_AT_NIGHT],
            reason=reason,
            **self.common,
        )
        return self

    def review(self) -> Proposed:
        """A review is opened."""
        self.gate("review", COSTLY)
        self.opened_at = self.story.now
        self.step(
            names.REVIEWS,
            names.REVIEW_OPENED_V1,
            "gate",
            revision=0,
            kind=self.kind,
            arguments=self.arguments,
            arguments_digest=self.digest,
            policy_digest=POLICY,
            rules=[COSTLY],
            tier="operator",
            quorum=1,
            makers=[],
            expires_at=rfc3339(self.story.now + 3600 * SECOND),
            **self.common,
        )
        return self

    def decide(self, verdict: str = "approve", by: str = "reviewer-1", note: str = "", refused: str = "") -> str:
        """A person decides and the gate answers."""
        self.story.pass_time(192.4)
        decision = f"d-{by}-{len(self.story.records)}"
        self.step(
            names.DECISIONS,
            names.DECISION_V1,
            names.REVIEW,
            decision_id=decision,
            proposal_id=self.id,
            revision=0,
            verdict=verdict,
            arguments_digest=self.digest,
            by=by,
            note=note,
            decided_at=rfc3339(self.story.now),
            auth_method="token",
            auth_time=rfc3339(self.story.now - 600 * SECOND),
            key_id="k",
            signature="c2ln",
        )
        self.story.pass_time(0.011)
        self.step(
            names.REVIEWS,
            names.DECISION_JUDGED_V1,
            "gate",
            decision_id=decision,
            proposal_id=self.id,
            revision=0,
            result="refused" if refused else "counted",
            reason=refused,
            approvals=0 if refused else 1,
            needed=1,
        )
        return decision

    def settle(self, result: str, *decisions: str) -> Proposed:
        """The review ends, with the action or the denial that its result stands for."""
        self.step(
            names.REVIEWS, names.REVIEW_SETTLED_V1, "gate", proposal_id=self.id, result=result, decisions=decisions
        )
        opened = self.opened_at * 1000
        span = self.span("gate", f"review {self.kind}", 0, **{"rivergate.review.result": result})
        span.start_ns = opened
        self.story.spans("gate", span)
        if result == "approved":
            self.act("review", [COSTLY], list(decisions), opened_policy_digest=POLICY)
        else:
            self.step(
                names.DENIALS,
                names.DENIAL_V1,
                "gate",
                policy_digest=POLICY,
                rules=[COSTLY],
                reason=f"review {result}",
                **self.common,
            )
        return self

    def do(self, status: str = "done", error: str = "", **more: Any) -> Proposed:
        """Effects act: intent, deed, outcome."""
        self.story.pass_time(0.006)
        self.step(
            names.OUTCOMES,
            names.INTENT_V1,
            "effects",
            proposal_id=self.id,
            attempt=1,
            not_after=rfc3339(self.story.now + 30 * SECOND),
        )
        span = self.span(
            "effects", f"effect {self.kind}", 4_300, error, **{"rivergate.outcome": status, "rivergate.attempt": 1}
        )
        self.story.spans("effects", span)
        detail = {"work_order": "wo-000017"} if status == "done" else error
        self.step(names.OUTCOMES, names.OUTCOME_V1, "effects", status=status, detail=detail, **self.common, **more)
        return self

    def label(self, value: Any, source: str = "outcome", after_s: float = 5400) -> Proposed:
        """The truth comes."""
        self.story.pass_time(after_s)
        self.step(names.LABELS, names.LABEL_V1, "gate", value=value, source=source, **self.common)
        return self


def stored(record: Record, app: str = APP) -> StoredRecord:
    """The record as an audit store gives it back."""
    value = orjson.loads(record.value or b"{}")
    return StoredRecord(
        position=record.position,
        name=record.topic.removeprefix(f"{app}."),
        ce_type=record.ce_type,
        ce_time=(record.header("ce_time") or b"").decode(),
        traceparent=(record.header("traceparent") or b"").decode(),
        proposal_id=value.get("proposal_id", ""),
        event_id=value.get("event_id", ""),
        key=record.key,
        raw=record.value,
        headers=tuple(record.headers or ()),
        fault=(record.header("rg_reason") or b"").decode(),
    )


def records_of(story: Story, pid: str) -> list[StoredRecord]:
    """All records of a proposal, spans left out, in the order they were written."""
    spans = names.topic(story.app, names.OTLP_SPANS)
    return [s for s in (stored(r, story.app) for r in story.records if r.topic != spans) if s.proposal_id == pid]
