"""The records of the wire contract as models for readers: one for each `ce_type`.

They demand what the contract demands and keep what else a record has, since readers ignore unknown fields.
Writers on hot paths write JSON themselves; the tests hold it against these models.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Position, Record
from rivergate.domain.wire_forms import Digest, ProposalId, Timestamp

Rules = tuple[Any, ...]
"""The rules that spoke, as the gate names them."""


class WireRecord(BaseModel):
    """Root of all records. Unknown fields are kept and mean nothing to readers."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class EventPosition(WireRecord):
    """Where the event stands that a record goes back to; labels go to its partition."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)

    @property
    def position(self) -> Position:
        """The same as the domain's noun."""
        return Position(self.topic, self.partition, self.offset)


class SignedRecord(WireRecord):
    """Ed25519 over RFC 8785 of the value without `signature`; `domain.signing.verify` checks it."""

    key_id: str
    signature: str


# --- what agents want ----------------------------------------------------------------------------------------


class ProposalRecord(WireRecord):
    """An action that an agent wants."""

    proposal_id: ProposalId
    app: str
    agent: str
    kind: str
    arguments: dict[str, Any]
    arguments_digest: Digest
    confidence: float = Field(ge=0, le=1)
    reasons: tuple[Any, ...]
    event_id: str
    ordinal: int = Field(ge=0)
    event: EventPosition
    expires_at: Timestamp
    on_behalf_of: str | None = None


class WithdrawalRecord(WireRecord):
    """An agent takes a proposal back."""

    proposal_id: ProposalId
    reason: str


# --- reviews and what people say -----------------------------------------------------------------------------


class ReviewOpened(WireRecord):
    """A proposal begins to wait for people."""

    proposal_id: ProposalId
    revision: Literal[0]
    kind: str
    arguments: dict[str, Any]
    arguments_digest: Digest
    policy_digest: str
    rules: Rules
    tier: int | str
    quorum: int = Field(ge=1)
    makers: tuple[str, ...]
    expires_at: Timestamp
    event_id: str
    event: EventPosition


class ReviewAmended(WireRecord):
    """A review changed; approvals of earlier revisions are void."""

    proposal_id: ProposalId
    revision: int = Field(ge=1)
    arguments: dict[str, Any]
    arguments_digest: Digest
    policy_digest: str
    tier: int | str
    quorum: int = Field(ge=1)
    makers: tuple[str, ...]
    because: Literal["edited", "answered", "escalated", "stricter"]


class DecisionJudged(WireRecord):
    """The gate's answer to one decision; `approvals` of `needed` count so far."""

    decision_id: str
    proposal_id: ProposalId
    revision: int = Field(ge=0)
    result: Literal["counted", "refused"]
    reason: str
    approvals: int = Field(ge=0)
    needed: int = Field(ge=0)


class ReviewSettled(WireRecord):
    """The review's end; `refused` means approved by people and stopped by the gate."""

    proposal_id: ProposalId
    result: Literal["approved", "rejected", "refused", "expired", "cancelled", "superseded"]
    decisions: tuple[str, ...]


class DecisionRecord(SignedRecord):
    """What a person said of a review. `arguments_digest` is what they saw; an edit says what they want instead."""

    decision_id: str
    proposal_id: ProposalId
    revision: int = Field(ge=0)
    verdict: Literal["approve", "deny", "edit", "ask"]
    arguments_digest: Digest
    by: str
    note: str
    decided_at: Timestamp
    auth_method: str
    auth_time: Timestamp
    arguments: dict[str, Any] | None = None
    new_arguments_digest: Digest | None = None

    @model_validator(mode="after")
    def _edit_says_what(self) -> Self:
        if self.verdict == "edit" and (self.arguments is None or self.new_arguments_digest is None):
            raise ValueError("an edit needs arguments and new_arguments_digest")
        return self


class ResolutionRecord(SignedRecord):
    """A person says what came of an action whose outcome is unknown."""

    proposal_id: ProposalId
    status: Literal["done", "failed"]
    by: str
    note: str


# --- what the gate says --------------------------------------------------------------------------------------


class ActionRecord(WireRecord):
    """An allowed proposal, bound to a digest of its exact arguments."""

    proposal_id: ProposalId
    kind: str
    arguments: dict[str, Any]
    arguments_digest: Digest
    policy_digest: str
    verdict: Literal["allow", "modify", "review"]
    rules: Rules
    decisions: tuple[str, ...]
    event_id: str
    event: EventPosition
    expires_at: Timestamp
    opened_policy_digest: str | None = None


class DenialRecord(WireRecord):
    """A proposal that won't be done, and why."""

    proposal_id: ProposalId
    policy_digest: str
    rules: Rules
    reason: str
    event: EventPosition


# --- what came of it -----------------------------------------------------------------------------------------


class IntentRecord(WireRecord):
    """Effects are about to act; committed before the deed."""

    proposal_id: ProposalId
    attempt: int = Field(ge=0)
    not_after: Timestamp
    delivery: Literal["idempotent", "reconcilable", "neither"] | None = None


class OutcomeRecord(WireRecord):
    """What came of an action. `failed` says whether the world was touched all the same."""

    proposal_id: ProposalId
    status: Literal["done", "failed", "refused", "unknown"]
    detail: Any
    event_id: str
    event: EventPosition
    effect: Literal["none", "maybe", "partial"] | None = None
    label: Any = None

    @model_validator(mode="after")
    def _failure_says_its_effect(self) -> Self:
        if self.status == "failed" and self.effect is None:
            raise ValueError("a failed outcome needs effect: none, maybe or partial")
        return self

    @property
    def final(self) -> bool:
        """Whether nothing comes after it: only an unknown outcome may be followed by another."""
        return self.status != "unknown"


class LabelRecord(WireRecord):
    """Late truth about an event; the first one of an (agent, event) binds."""

    event_id: str
    event: EventPosition
    value: Any
    source: Literal["outcome", "decision", "topic"]
    proposal_id: ProposalId | None = None


class ResponseRecord(WireRecord):
    """What a model answered a graph; its fields are the graph adapter's."""


class MessageRecord(WireRecord):
    """A message between agents."""

    to: str
    sender: str = Field(alias="from")
    message: dict[str, Any]


# --- what is in force ----------------------------------------------------------------------------------------


class PolicyPushed(SignedRecord):
    """An operator puts a policy onto the log: its text, and the schemas that its conditions are typed from."""

    policy_digest: Digest
    source: str
    file: str
    schemas: dict[str, Any]
    by: str
    issued_at: Timestamp


class KeyTrusted(SignedRecord):
    """An operator tells whose signatures count: `key_id_of_key` names the trusted key, `key_id` the operator's."""

    key_id_of_key: str
    public_key: str
    role: str
    by: str
    issued_at: Timestamp


class ControlApplied(WireRecord):
    """The gate says of a control record whether it is in force since `at`, or why not."""

    control: EventPosition
    what: str
    result: Literal["applied", "refused"]
    reason: str
    policy_digest: str
    by: str
    at: Timestamp


class AssignmentRecord(WireRecord):
    """Who owns which shard of a stage: shard number (as text) to the worker's incarnation, and to the attempt that is
    asked of it, which grows when a parked shard is to start again. `parked`: shards that an operator has parked, and why.
    """

    stage: str
    at: Timestamp
    shards: dict[str, str]
    attempts: dict[str, int]
    parked: dict[str, str] = {}


class ShardStatusRecord(WireRecord):
    """What a shard is doing, and why where that needs saying."""

    stage: str
    shard: int
    worker: str
    state: Literal["starting", "running", "parked", "fenced", "stopped"]
    reason: str
    at: Timestamp


class RedrivenRecord(WireRecord):
    """A dead letter that an operator put back where it came from; written together with what was put back.

    `dead_letter` is its partition and offset (`2/17`), `origin` where the record stood first, `corrected` says that its
    value was replaced.
    """

    dead_letter: str
    event_id: str
    origin: EventPosition
    stage: str
    corrected: bool
    by: str
    at: Timestamp


class RekeyedRecord(WireRecord):
    """How far the app `of` has been copied into this one; written together with what was copied. See `kernel.holding`.

    `topics` maps the topics that are copied to those that they are copied to; `positions` are `[topic, partition, offset]`
    where the copy reads on, `ends` the same for the end of what it has written. `records` and `bytes` (of keys and values)
    count what was copied, `missed` what retention had removed before. With `released` (RFC 3339) it is the last one: what
    stands before `ends` is past, timers included that were due by then.
    """

    of: str
    topics: dict[str, str]
    positions: tuple[tuple[str, int, int], ...]
    ends: tuple[tuple[str, int, int], ...]
    records: int = Field(ge=0)
    bytes: int = Field(ge=0)
    missed: int = Field(ge=0)
    by: str
    at: Timestamp
    released: Timestamp | None = None


WIRE_MODELS: Final[dict[str, type[WireRecord]]] = {
    names.PROPOSAL_V1: ProposalRecord,
    names.WITHDRAWAL_V1: WithdrawalRecord,
    names.REVIEW_OPENED_V1: ReviewOpened,
    names.REVIEW_AMENDED_V1: ReviewAmended,
    names.DECISION_JUDGED_V1: DecisionJudged,
    names.REVIEW_SETTLED_V1: ReviewSettled,
    names.DECISION_V1: DecisionRecord,
    names.ACTION_V1: ActionRecord,
    names.DENIAL_V1: DenialRecord,
    names.INTENT_V1: IntentRecord,
    names.OUTCOME_V1: OutcomeRecord,
    names.RESOLUTION_V1: ResolutionRecord,
    names.LABEL_V1: LabelRecord,
    names.RESPONSE_V1: ResponseRecord,
    names.MESSAGE_V1: MessageRecord,
    names.POLICY_PUSHED_V1: PolicyPushed,
    names.KEY_TRUSTED_V1: KeyTrusted,
    names.CONTROL_APPLIED_V1: ControlApplied,
    names.ASSIGNMENT_V1: AssignmentRecord,
    names.SHARD_STATUS_V1: ShardStatusRecord,
    names.REDRIVEN_V1: RedrivenRecord,
    names.REKEYED_V1: RekeyedRecord,
}
"""The model of each `ce_type`."""


def read(record: Record) -> WireRecord:
    """A record of the log as its model. Raises `BadInput` for an unknown `ce_type` and for a malformed value."""
    model = WIRE_MODELS.get(record.ce_type)
    if model is None:
        raise BadInput(
            f"no record type is named {record.ce_type!r}",
            where=str(record.position),
            remedy="read it with the version of rivergate that wrote it, or skip it",
        )
    try:
        return model.model_validate_json(record.value or b"")
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the value"
        raise BadInput(
            f"not a {record.ce_type}: {place}: {first['msg']}",
            where=str(record.position),
            remedy="find who writes this topic; only stages of the app may",
        ) from e
