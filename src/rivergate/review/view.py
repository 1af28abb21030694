"""What people and programs are shown of a case: plain models, computed from its facts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from rivergate.review.case import State


class View(BaseModel):
    """Root of the models that the JSON API returns."""

    model_config = ConfigDict(frozen=True)


class ReviewItem(View):
    """One line of the queue. Times are RFC 3339. `state` is `none` for an unresolved action without a review."""

    proposal_id: str
    kind: str
    agent: str | None
    state: State | Literal["none"]
    headline: str
    tier: int | str | None
    revision: int
    quorum: int
    approvals: int
    unanswered: int
    confidence: float | None
    opened_at: str | None
    expires_at: str | None
    settled_at: str | None
    outcome: str | None
    unresolved: bool


class ReasonView(View):
    """Why the agent proposed it. `share` is the contribution over the largest one, -1 to 1."""

    text: str
    feature: str
    value: Any
    contribution: float | None
    share: float


class RuleView(View):
    """A rule that spoke, with the values that it saw."""

    name: str
    verdict: str
    message: str
    condition: str
    values: dict[str, Any]


class DecisionView(View):
    """A decision and the gate's answer: sent, counted, confirmed (it settled the review) or refused; overdue, if there is
    still none. `reason` says why it is refused or overdue.
    """

    decision_id: str
    verdict: str
    by: str
    note: str
    decided_at: str
    revision: int
    answer: Literal["sent", "overdue", "counted", "confirmed", "refused"]
    reason: str
    approvals: int | None
    needed: int | None


class OutcomeView(View):
    """What came of the action, or a person's word on it (`by`) with the gate's answer: sent, confirmed (it is the final
    outcome) or superseded (another one is). What effects report has no answer.
    """

    status: str
    detail: Any
    effect: str | None
    at: str
    by: str | None
    answer: Literal["sent", "confirmed", "superseded"] | None


class StepView(View):
    """One step of the history."""

    at: str
    what: str
    detail: str
    tone: Literal["plain", "good", "bad", "wait"]


class ReviewDetail(ReviewItem):
    """All that is shown of one review or unresolved action."""

    app: str | None
    arguments: dict[str, Any]
    changed: tuple[str, ...]
    arguments_digest: str
    policy_digest: str
    opened_policy_digest: str
    makers: tuple[str, ...]
    roles: tuple[str, ...]
    rules: tuple[RuleView, ...]
    reasons: tuple[ReasonView, ...]
    event_id: str
    event: dict[str, Any]
    trace_id: str
    denial: str | None
    decisions: tuple[DecisionView, ...]
    outcomes: tuple[OutcomeView, ...]
    history: tuple[StepView, ...]
