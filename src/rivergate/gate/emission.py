"""What the gate writes: records that keep their cause's key, partition and trace, and spans beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.ids import parse_traceparent, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Output, Record
from rivergate.domain.span import AttributeValue, Span
from rivergate.gate.judging import Judgement, Spoken
from rivergate.gate.proposal import Proposed
from rivergate.gate.review import Review
from rivergate.ports import Batch, Outputs

_NS: Final = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a derived record goes and which span it hangs on."""

    partition: int
    key: bytes | None
    trace_id: str
    span_id: str

    @classmethod
    def of_proposal(cls, p: Proposed) -> Origin:
        """What the gate says at once."""
        return cls(p.partition, p.key, p.trace_id, p.span_id)

    @classmethod
    def of_review(cls, r: Review) -> Origin:
        """What the gate says after people spoke, or time ran out."""
        return cls(r.partition, r.key, r.trace_id, r.span_id)

    @classmethod
    def of_record(cls, record: Record, *ids: str) -> Origin:
        """An answer to a record that belongs to no proposal that the gate knows."""
        trace = parse_traceparent(record.header("traceparent"))
        trace_id = trace[0] if trace else trace_id_of(record.event_id)
        return cls(record.partition, record.key, trace_id, trace[1] if trace else span_id_of(*ids))


class Emission:
    """The outputs of one fold call."""

    def __init__(self, app: str, batch: Batch, out: Outputs) -> None:
        self.app = app
        self.batch = batch
        self.out = out
        self.now = rfc3339(batch.clock)

    def record(self, topic: str, origin: Origin, ce_id: str, ce_type: str, value: Mapping[str, Any]) -> int:
        """Write one record; returns the length of its value in bytes."""
        raw = orjson.dumps(value)
        self.out.records.append(
            Output(
                topic=names.topic(self.app, topic),
                partition=origin.partition,
                key=origin.key,
                value=raw,
                ce_id=ce_id.encode(),
                ce_type=ce_type.encode(),
                traceparent=traceparent(origin.trace_id, origin.span_id),
            )
        )
        return len(raw)

    # --- ends of a proposal --------------------------------------------------------------------------------

    def denial(
        self, origin: Origin, about: Proposed | Review, rules: Sequence[Spoken], reason: str, digest: str
    ) -> None:
        """The proposal won't be done."""
        self.record(
            names.DENIALS,
            origin,
            about.proposal_id,
            names.DENIAL_V1,
            {
                "proposal_id": about.proposal_id,
                "kind": about.kind,
                "agent": about.agent,
                "policy_digest": digest,
                "rules": [s.to_json() for s in rules],
                "reason": reason[:1000],
                "event_id": about.event_id,
                "event": about.event,
            },
        )

    def action(self, p: Proposed, judgement: Judgement, digest: str) -> int:
        """Allowed at once; returns the record's length."""
        return self.record(
            names.ACTIONS,
            Origin.of_proposal(p),
            p.proposal_id,
            names.ACTION_V1,
            {
                "proposal_id": p.proposal_id,
                "kind": p.kind,
                "agent": p.agent,
                "arguments": judgement.arguments,
                "arguments_digest": digest,
                "policy_digest": judgement.policy_digest,
                "verdict": judgement.verdict.word,
                "rules": [s.to_json() for s in judgement.rules],
                "decisions": [],
                "event_id": p.event_id,
                "event": p.event,
                "expires_at": p.expires,
            },
        )

    def approved_action(self, r: Review, judgement: Judgement) -> None:
        """Allowed by people, and by the rules in force now."""
        self.record(
            names.ACTIONS,
            Origin.of_review(r),
            r.proposal_id,
            names.ACTION_V1,
            {
                "proposal_id": r.proposal_id,
                "kind": r.kind,
                "agent": r.agent,
                "arguments": r.arguments,
                "arguments_digest": r.arguments_digest,
                "policy_digest": judgement.policy_digest,
                "opened_policy_digest": r.opened_policy_digest,
                "verdict": "review",
                "rules": [s.to_json() for s in judgement.rules],
                "decisions": [decision_id for decision_id, _ in r.approvals],
                "approved_by": [by for _, by in r.approvals],
                "revision": r.revision,
                "event_id": r.event_id,
                "event": r.event,
                "expires_at": rfc3339(r.action_expires_at),
            },
        )

    # --- reviews -------------------------------------------------------------------------------------------

    def opened(self, p: Proposed, r: Review, judgement: Judgement, reasons: list[Any]) -> int:
        """The proposal waits for people; returns the record's length."""
        return self.record(
            names.REVIEWS,
            Origin.of_proposal(p),
            f"{r.proposal_id}/opened",
            names.REVIEW_OPENED_V1,
            r.described()
            | {
                "policy_digest": judgement.policy_digest,
                "rules": [s.to_json() for s in judgement.rules],
                "reason": judgement.reason,
                "confidence": r.confidence,
                "reasons": reasons,
                "proposed_arguments_digest": p.arguments_digest,
                "opened_at": self.now,
            },
        )

    def amended(self, r: Review, because: str, judgement: Judgement, by: str) -> None:
        """The review has another revision."""
        self.record(
            names.REVIEWS,
            Origin.of_review(r),
            f"{r.proposal_id}/amended/{r.revision}",
            names.REVIEW_AMENDED_V1,
            r.described()
            | {
                "policy_digest": judgement.policy_digest,
                "rules": [s.to_json() for s in judgement.rules],
                "because": because,
                "by": by,
                "amended_at": self.now,
            },
        )

    def settled(self, r: Review, result: str, reason: str) -> None:
        """The review has ended, with a span over all of it."""
        self.record(
            names.REVIEWS,
            Origin.of_review(r),
            f"{r.proposal_id}/settled",
            names.REVIEW_SETTLED_V1,
            {
                "proposal_id": r.proposal_id,
                "revision": r.revision,
                "result": result,
                "reason": reason[:1000],
                "decisions": list(r.decisions),
                "settled_at": self.now,
            },
        )
        self.out.spans.append(
            Span(
                name=f"review {r.kind}",
                trace_id=r.trace_id,
                span_id=r.span_id,
                parent_id=r.gate_span_id,
                start_ns=r.opened_at * _NS,
                end_ns=self.batch.clock * _NS,
                attributes={
                    "rivergate.proposal.id": r.proposal_id,
                    "rivergate.review.result": result,
                    "rivergate.review.revision": r.revision,
                    "rivergate.review.decisions": list(r.decisions),
                    "gen_ai.agent.name": r.agent,
                },
                links=list(r.links),
            )
        )

    def label(self, origin: Origin, about: Mapping[str, Any], value: Any, source: str) -> None:
        """Late truth about the event, to the event's partition (which is the cause's)."""
        self.record(
            names.LABELS,
            origin,
            f"{about['proposal_id']}/label/{source}",
            names.LABEL_V1,
            {**about, "value": value, "source": source},
        )

    # --- spans ---------------------------------------------------------------------------------------------

    def verdict_span(self, p: Proposed, judgement: Judgement, started_ns: int) -> None:
        """The span of a proposal that was judged: exactly one of each."""
        self.out.spans.append(
            Span(
                name=f"gate {p.kind or 'unknown'}",
                trace_id=p.trace_id,
                span_id=p.span_id,
                parent_id=p.parent_id,
                start_ns=started_ns,
                end_ns=self.batch.stopwatch(),
                attributes=_attributes(p)
                | {
                    "rivergate.verdict": judgement.verdict.word,
                    "rivergate.policy.digest": judgement.policy_digest,
                    "rivergate.rules": [s.id for s in judgement.rules],
                    "rivergate.reason": judgement.reason[:500],
                },
            )
        )

    def conflict_span(self, p: Proposed, record: Record) -> None:
        """An error span for a record that says something else under an id that was judged."""
        now = self.batch.stopwatch()
        self.out.spans.append(
            Span(
                name=f"conflict {p.kind or 'unknown'}",
                trace_id=p.trace_id,
                span_id=span_id_of("conflict", str(record.position)),
                parent_id=p.parent_id,
                start_ns=now,
                end_ns=now,
                attributes=_attributes(p) | {"rivergate.conflict.at": str(record.position)},
                error=f"proposal {p.proposal_id} was judged with other contents; this record was dropped",
            )
        )


def _attributes(p: Proposed) -> dict[str, AttributeValue]:
    return {
        "rivergate.proposal.id": p.proposal_id,
        "rivergate.event.id": p.event_id,
        "rivergate.arguments.digest": p.arguments_digest,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.agent.name": p.agent,
        "gen_ai.tool.name": p.kind,
    }
