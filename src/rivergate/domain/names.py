"""Names of system topics, record types and headers: written down once."""

from __future__ import annotations

from typing import Final

PROPOSALS: Final = "proposals"
REVIEWS: Final = "reviews"
REVIEW_WORK: Final = "review_work"
DECISIONS: Final = "decisions"
ACTIONS: Final = "actions"
DENIALS: Final = "denials"
OUTCOMES: Final = "outcomes"
LABELS: Final = "labels"
RESPONSES: Final = "responses"
MESSAGES: Final = "messages"
CONTROL: Final = "control"
CONTROL_APPLIED: Final = "control_applied"
CONTROL_PULSE: Final = "control_pulse"
ASSIGNMENTS: Final = "assignments"
SHARD_STATUS: Final = "shard_status"
DEAD_LETTERS: Final = "dead_letters"
REDRIVES: Final = "redrives"
REKEY: Final = "rekey"
OTLP_SPANS: Final = "otlp_spans"
JOURNAL: Final = "journal"

SYSTEM: Final = frozenset(
    {
        PROPOSALS, REVIEWS, REVIEW_WORK, DECISIONS, ACTIONS, DENIALS, OUTCOMES, LABELS, RESPONSES, MESSAGES, CONTROL,
        CONTROL_APPLIED, CONTROL_PULSE, ASSIGNMENTS, SHARD_STATUS, DEAD_LETTERS, REDRIVES, REKEY, OTLP_SPANS, JOURNAL,
    }
)  # fmt: skip
"""All topics that an app has for itself; a journal's name goes on with its stage."""

GATE: Final = "gate"
EFFECTS: Final = "effects"
REVIEW: Final = "review"

PROPOSAL_V1: Final = "rivergate.proposal.v1"
WITHDRAWAL_V1: Final = "rivergate.withdrawal.v1"
REVIEW_OPENED_V1: Final = "rivergate.review.opened.v1"
REVIEW_AMENDED_V1: Final = "rivergate.review.amended.v1"
DECISION_JUDGED_V1: Final = "rivergate.review.decision_judged.v1"
REVIEW_SETTLED_V1: Final = "rivergate.review.settled.v1"
DECISION_V1: Final = "rivergate.decision.v1"
ACTION_V1: Final = "rivergate.action.v1"
DENIAL_V1: Final = "rivergate.denial.v1"
INTENT_V1: Final = "rivergate.intent.v1"
OUTCOME_V1: Final = "rivergate.outcome.v1"
RESOLUTION_V1: Final = "rivergate.resolution.v1"
LABEL_V1: Final = "rivergate.label.v1"
RESPONSE_V1: Final = "rivergate.response.v1"
MESSAGE_V1: Final = "rivergate.message.v1"
POLICY_PUSHED_V1: Final = "rivergate.control.policy.v1"
KEY_TRUSTED_V1: Final = "rivergate.control.key.v1"
ASSIGNMENT_V1: Final = "rivergate.assignment.v1"
SHARD_STATUS_V1: Final = "rivergate.shard_status.v1"
CONTROL_APPLIED_V1: Final = "rivergate.control_applied.v1"
REDRIVEN_V1: Final = "rivergate.redriven.v1"
REKEYED_V1: Final = "rivergate.rekeyed.v1"

RG_FOR: Final = "rg_for"
"""Header of a redriven record: the `ce_source` of the stage that had set it aside, which alone handles it."""
RG_MUTED: Final = "rg_muted"
"""Header of a dead letter of a muted commit."""


def topic(app: str, name: str) -> str:
    """Full name of an app's system topic: `{app}.{name}`."""
    return f"{app}.{name}"


def system_name(app: str, topic: str) -> str | None:
    """`proposals` of the topic `{app}.proposals`, `journal` of any journal; None for a topic of users."""
    owner, _, name = topic.partition(".")
    name = JOURNAL if name.startswith(f"{JOURNAL}.") else name
    return name if owner == app and name in SYSTEM else None


def journal_topic(app: str, stage: str) -> str:
    """`{app}.journal.{stage}`; the partition is the shard."""
    return f"{app}.{JOURNAL}.{stage}"


def agent_stage(agent: str) -> str:
    """Stage of an agent class: `agent-{name}`."""
    return f"agent-{agent}"


def group(app: str, stage: str) -> str:
    """Consumer group that a stage's offsets are committed to: `{app}.{stage}`."""
    return f"{app}.{stage}"


def source(app: str, stage: str) -> str:
    """`ce_source` of what a stage writes."""
    return f"/rivergate/{app}/{stage}"
