"""An open review as the gate keeps it: the gate alone settles it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.ids import span_id_of
from rivergate.gate.judging import Judgement
from rivergate.gate.policy.model import ReviewTerms
from rivergate.gate.proposal import Proposed


@dataclass(slots=True)
class Review:
    """A proposal that waits for people.

    `approvals` are (decision id, person) of the present revision; `decisions` all that were counted. Times in
    µs. `links` are the traces of the decisions.
    """

    proposal_id: str
    kind: str
    agent: str
    confidence: float | None
    partition: int
    key: bytes | None
    trace_id: str
    gate_span_id: str
    event: dict[str, Any]
    event_id: str
    arguments: dict[str, Any]
    arguments_digest: str
    action_expires_at: Micros
    opened_at: Micros
    expires_at: Micros
    opened_policy_digest: str
    terms: ReviewTerms
    makers: list[str]
    revision: int = 0
    approvals: list[tuple[str, str]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, p: Proposed, judgement: Judgement, digest: str, clock: Micros) -> Review:
        """Open one. It ends when its rule says, at the latest with the proposal."""
        terms = judgement.terms or ReviewTerms()
        ends = p.expires_at
        if terms.expires_after_s is not None:
            ends = min(ends, clock + round(terms.expires_after_s * SECOND))
        return cls(
            proposal_id=p.proposal_id,
            kind=p.kind,
            agent=p.agent,
            confidence=p.confidence,
            partition=p.partition,
            key=p.key,
            trace_id=p.trace_id,
            gate_span_id=p.span_id,
            event=p.event,
            event_id=p.event_id,
            arguments=judgement.arguments,
            arguments_digest=digest,
            action_expires_at=p.expires_at,
            opened_at=clock,
            expires_at=ends,
            opened_policy_digest=judgement.policy_digest,
            terms=terms,
            makers=list(p.makers),
        )

    @property
    def span_id(self) -> str:
        """The span of the whole review, written when it is settled."""
        return span_id_of("review", self.proposal_id)

    def amend(self, arguments: dict[str, Any], digest: str, terms: ReviewTerms | None) -> None:
        """Another revision: what was approved so far is void, terms only become stricter."""
        self.revision += 1
        self.arguments = arguments
        self.arguments_digest = digest
        self.approvals.clear()
        if terms is not None:
            self.terms = self.terms.strictest(terms)

    def described(self) -> dict[str, Any]:
        """What `opened` and `amended` records have in common."""
        return {
            "proposal_id": self.proposal_id,
            "revision": self.revision,
            "kind": self.kind,
            "agent": self.agent,
            "arguments": self.arguments,
            "arguments_digest": self.arguments_digest,
            "tier": self.terms.tier,
            "quorum": self.terms.quorum,
            "roles": list(self.terms.roles),
            "makers": list(self.makers),
            "expires_at": rfc3339(self.expires_at),
            "event_id": self.event_id,
            "event": self.event,
        }

    def to_json(self) -> dict[str, Any]:
        """For the state's dump."""
        return asdict(self) | {"key": None if self.key is None else self.key.hex()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Review:
        """Inverse of `to_json`."""
        terms = value["terms"]
        key = value["key"]
        return cls(
            **{
                **value,
                "key": None if key is None else bytes.fromhex(key),
                "terms": ReviewTerms(**{**terms, "roles": tuple(terms["roles"])}),
                "approvals": [(d, by) for d, by in value["approvals"]],
                "links": [(t, s) for t, s in value["links"]],
            }
        )
