"""`Explanation`: all that the log says about one proposal, in the order in which somebody would ask."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Root of an explanation's parts: immutable, JSON as it stands. Times are RFC 3339, places `topic/partition/offset`."""

    model_config = ConfigDict(frozen=True)


class EventPart(Part):
    """What happened in the world. `fields` is None where the record itself couldn't be read; `note` says why."""

    id: str
    place: str
    at: str = ""
    fields: dict[str, Any] | None = None
    note: str = ""


class ReasonPart(Part):
    """One reason of the agent: a sentence, or a feature with its value and contribution to the score."""

    text: str = ""
    feature: str = ""
    value: Any = None
    contribution: float | None = None


class ModelPart(Part):
    """The imported model that the agent's shard began with: hex SHA-256 of its file, who vouched for it, and why."""

    digest: str
    who: str
    why: str


class AgentPart(Part):
    """What the agent wanted and why."""

    name: str
    at: str
    confidence: float | None
    reasons: tuple[ReasonPart, ...]
    expires_at: str
    on_behalf_of: str = ""
    model: ModelPart | None = None


class RulePart(Part):
    """A rule that spoke, with the values it saw."""

    id: str
    verdict: str
    because: str = ""
    values: dict[str, Any] = {}


class VerdictPart(Part):
    """What the gate said first: allow, modify, review or deny."""

    verdict: str
    at: str
    policy_digest: str
    rules: tuple[RulePart, ...]
    reason: str = ""


class DecisionPart(Part):
    """What one person said, and how the gate answered: counted, refused, set aside (as a dead letter), or nothing yet
    (empty).
    """

    id: str
    by: str
    verdict: str
    note: str
    at: str
    answer: str = ""
    answer_reason: str = ""
    approvals: int | None = None
    needed: int | None = None


class AmendmentPart(Part):
    """The review got another revision: earlier approvals are void."""

    revision: int
    because: str
    by: str
    at: str


class ReviewPart(Part):
    """The wait for people. `result` is empty while it is open."""

    opened_at: str
    expires_at: str
    tier: str
    quorum: int
    decisions: tuple[DecisionPart, ...]
    amendments: tuple[AmendmentPart, ...]
    result: str = ""
    reason: str = ""
    settled_at: str = ""


class ActionPart(Part):
    """The allowed proposal, bound to its exact arguments."""

    at: str
    arguments: dict[str, Any]
    digest: str
    policy_digest: str
    verdict: str
    modified: bool = False


class DenialPart(Part):
    """It won't be done."""

    at: str
    reason: str
    policy_digest: str
    rules: tuple[RulePart, ...]


class EffectPart(Part):
    """An attempt, or what came of it: `status` is intent, done, failed, refused or unknown."""

    at: str
    status: str
    attempt: int | None = None
    detail: Any = None
    effect: str = ""


class LabelPart(Part):
    """Truth that was learnt later."""

    at: str
    value: Any
    source: str


class Moment(Part):
    """One line of the timeline."""

    at: str
    what: str
    who: str
    place: str


class Explanation(Part):
    """The way of one proposal, from its event to the label. `state` is its end so far:
    proposed, waiting, allowed, acting, done, failed, refused, unknown, denied or expired.
    """

    proposal_id: str
    trace_id: str
    app: str
    kind: str
    arguments: dict[str, Any]
    arguments_digest: str
    state: str
    event: EventPart
    agent: AgentPart | None
    verdict: VerdictPart | None
    review: ReviewPart | None
    action: ActionPart | None
    denial: DenialPart | None
    withdrawn: str
    effects: tuple[EffectPart, ...]
    labels: tuple[LabelPart, ...]
    timeline: tuple[Moment, ...]
    findings: tuple[str, ...]
    """What doesn't add up: records that contradict one another or are missing."""
