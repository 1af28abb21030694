"""Tables of the contract: which record types stand on which topic, with which fields."""

from __future__ import annotations

TOPICS = {
    "proposals": {"proposal", "withdrawal"},
    "reviews": {"review.opened", "review.amended", "review.decision_judged", "review.settled"},
    "decisions": {"decision", "resolution"},
    "actions": {"action"},
    "denials": {"denial"},
    "outcomes": {"intent", "outcome"},
    "labels": {"label"},
    "control_applied": {"control_applied"},
}
"""Record types by system topic."""

ALONE = {"control", "control_applied", "control_pulse", "assignments"}
"""Topics with one partition."""

TOGETHER = {*TOPICS.keys() - ALONE, "review_work", "responses", "messages", "dead_letters", "otlp_spans"}
"""Topics with the app's partition count. Topics that aren't in the contract are judged by nobody."""

PLAIN = {"otlp_spans", "dead_letters"}
"""Topics whose records aren't CloudEvents; journals are no more."""

TIMES = {"expires_at", "not_after", "decided_at", "auth_time", "issued_at", "at", "opened_at", "settled_at"}
"""Fields that are times."""

_SETTLED = "proposal_id result decisions"
_REVISION = "proposal_id revision arguments arguments_digest policy_digest tier quorum makers"

FIELDS = {
    kind: tuple(names.split())
    for kind, names in {
        "proposal": "proposal_id app agent kind arguments arguments_digest confidence reasons event_id ordinal event "
        "expires_at",
        "withdrawal": "proposal_id reason",
        "review.opened": f"{_REVISION} kind rules expires_at event_id event",
        "review.amended": f"{_REVISION} because",
        "review.decision_judged": "decision_id proposal_id revision result reason approvals needed",
        "review.settled": _SETTLED,
        "decision": "decision_id proposal_id revision verdict arguments_digest by note decided_at auth_method "
        "auth_time key_id signature",
        "resolution": "proposal_id status by note key_id signature",
        "action": "proposal_id kind arguments arguments_digest policy_digest verdict rules decisions event_id event "
        "expires_at",
        "denial": "proposal_id policy_digest rules reason event",
        "intent": "proposal_id attempt not_after",
        "outcome": "proposal_id status detail event_id event",
        "label": "event_id event value source",
    }.items()
}
"""Fields that must be there."""
