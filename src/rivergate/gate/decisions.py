"""Decisions: what people said, checked and counted; each is answered exactly once."""

from __future__ import annotations

from typing import Any, Final

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, parse_rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import arguments_digest, parse_traceparent
from rivergate.domain.record import Record
from rivergate.domain.signing import verify
from rivergate.gate.emission import Origin
from rivergate.gate.folding import Turn
from rivergate.gate.judging import Judgement
from rivergate.gate.policy.model import Verdict
from rivergate.gate.proposal import json_object, proposal_id_in
from rivergate.gate.review import Review
from rivergate.gate.settling import approve, refuse, reject

REMEMBERED: Final = 3600 * SECOND
"""How long behind the clock a decision may be, and so how long its id is known."""

AHEAD: Final = 300 * SECOND
"""How far ahead of the clock a decision may claim to be."""

MAX_REVISIONS: Final = 100
MAX_DECISIONS: Final = 1000
LONGEST_NAME: Final = 200
_VERDICTS: Final = ("approve", "deny", "edit", "ask")


def on_decision(turn: Turn, record: Record, index: int) -> None:
    """Answer it with `counted` or `refused`, once; act on it if it counts."""
    value = json_object(record)
    decision_id = value.get("decision_id") if value else None
    pid = proposal_id_in(value)
    if value is None or pid is None or not isinstance(decision_id, str) or not 0 < len(decision_id) <= LONGEST_NAME:
        turn.emit.out.skip(index, "a decision needs `decision_id` and `proposal_id`")
        return
    decided_at = _time(value.get("decided_at"))
    if decided_at is None:
        turn.emit.out.skip(index, "a decision needs `decided_at` as RFC 3339 in UTC")
        return
    if turn.state.decided.get(decision_id) is not None:
        turn.count("repeated_decisions")
        return
    until = decided_at + REMEMBERED
    if until <= max(turn.clock, turn.state.decided.horizon) or decided_at > turn.clock + AHEAD:
        turn.emit.out.skip(index, "`decided_at` is over an hour behind the clock, or ahead of it: decide again")
        return
    turn.state.decided.add(decision_id, until, "")
    review = turn.state.reviews.get(pid)
    refusal = _signature_refusal(turn, value) or _refusal(turn, value, review)
    if refusal or review is None:
        _answer(turn, value, record, review, refusal)
        return
    review.decisions.append(decision_id)
    trace = parse_traceparent(record.header("traceparent"))
    if trace is not None and trace not in review.links:
        review.links.append(trace)
    _count(turn, value, record, review)


def _time(value: Any) -> Micros | None:
    try:
        return parse_rfc3339(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _answer(turn: Turn, value: dict[str, Any], record: Record, review: Review | None, refusal: str) -> None:
    decision_id = value["decision_id"]
    revision = value.get("revision")
    turn.emit.record(
        names.REVIEWS,
        Origin.of_review(review) if review else Origin.of_record(record, "decision", decision_id),
        f"{decision_id}/judged",
        names.DECISION_JUDGED_V1,
        {
            "decision_id": decision_id,
            "proposal_id": value["proposal_id"],
            "revision": revision if type(revision) is int and 0 <= revision < 2**53 else 0,
            "result": "refused" if refusal else "counted",
            "reason": refusal,
            "approvals": len(review.approvals) if review else 0,
            "needed": review.terms.quorum if review else 0,
            "judged_at": turn.emit.now,
        },
    )


# --- why a decision doesn't count ----------------------------------------------------------------------------


def _signature_refusal(turn: Turn, value: dict[str, Any]) -> str:
    """Why nobody vouches for it, or nothing."""
    if not turn.state.keys:
        return "no review service's key is trusted yet: the operator has to put one on the control topic"
    if not verify(value, turn.state.keys):
        return "the signature isn't that of a trusted review service"
    return ""


def _refusal(turn: Turn, value: dict[str, Any], review: Review | None) -> str:
    """Why it doesn't count, or nothing."""
    if review is None:
        result = turn.state.settled.get(value["proposal_id"])
        return f"the review was settled as {result}" if result else "there is no open review of this proposal"
    verdict, by = value.get("verdict"), value.get("by")
    if verdict not in _VERDICTS:
        return f"verdict {str(verdict)[:50]!r} is none of {', '.join(_VERDICTS)}"
    if not isinstance(by, str) or not 0 < len(by.strip()) <= len(by) <= LONGEST_NAME:
        return "it doesn't say by whom"
    if type(value.get("revision")) is not int or value["revision"] != review.revision:
        return f"the review is at revision {review.revision} now: look at it again"
    if value.get("arguments_digest") != review.arguments_digest:
        return "the arguments that were seen aren't those of the review: look at it again"
    if len(review.decisions) >= MAX_DECISIONS:
        return f"the review has {MAX_DECISIONS} decisions"
    return _role_refusal(value, review) or _person_refusal(str(verdict), by, review)


def _role_refusal(value: dict[str, Any], review: Review) -> str:
    held = value.get("roles", [])
    missing = [r for r in review.terms.roles if not isinstance(held, list) or r not in held]
    return f"it takes the role {', '.join(missing)}" if missing else ""


def _person_refusal(verdict: str, by: str, review: Review) -> str:
    if verdict == "approve" and by in review.makers:
        return "nobody approves what they made or edited: somebody else has to"
    if verdict == "approve" and any(by == who for _, who in review.approvals):
        return "this person has approved already"
    return ""


# --- what a decision does ------------------------------------------------------------------------------------


def _count(turn: Turn, value: dict[str, Any], record: Record, review: Review) -> None:
    verdict, by, decision_id = value["verdict"], value["by"], value["decision_id"]
    if verdict == "edit":
        _edit(turn, value, record, review)
        return
    if verdict == "approve":
        review.approvals.append((decision_id, by))
    _answer(turn, value, record, review, "")
    if verdict == "deny":
        note = value.get("note")
        reject(turn, review, by, note[:500] if isinstance(note, str) else "")
    elif verdict == "approve" and len(review.approvals) >= review.terms.quorum:
        _settle_under_rules_of_now(turn, review, by)


def _settle_under_rules_of_now(turn: Turn, review: Review, by: str) -> None:
    """Judge again: policy, and later budgets and kill switch, may have changed since the review was opened."""
    now = turn.judged(review.kind, review.arguments, review.confidence, review.agent)
    if now.verdict is Verdict.DENY:
        refuse(turn, review, now)
        return
    digest = _digest(review.kind, now, review)
    demands_more = now.terms is not None and now.terms.demands_more_than(review.terms)
    if digest != review.arguments_digest or demands_more:
        review.amend(now.arguments, digest, now.terms)
        turn.emit.amended(review, "stricter", now, by)
        return
    approve(turn, review, now)


def _edit(turn: Turn, value: dict[str, Any], record: Record, review: Review) -> None:
    """Other arguments: judged as if they had been proposed, and the editor is one of their makers now."""
    refusal, now = _edit_judged(turn, value, record, review)
    if now is None:
        review.decisions.pop()
        _answer(turn, value, record, review, refusal)
        return
    by = value["by"]
    if by not in review.makers:
        review.makers.append(by)
    review.amend(now.arguments, _digest(review.kind, now, review), now.terms)
    _answer(turn, value, record, review, "")
    turn.emit.amended(review, "edited", now, by)


def _edit_judged(turn: Turn, value: dict[str, Any], record: Record, review: Review) -> tuple[str, Judgement | None]:
    """Why the edit can't be, or what the rules say of it."""
    arguments = value.get("arguments")
    if len(record.value or b"") > turn.emit.out.limit_bytes // 2:
        return "the edit is too large", None
    if not isinstance(arguments, dict):
        return "an edit needs `arguments`", None
    if review.revision >= MAX_REVISIONS:
        return f"the review was edited {MAX_REVISIONS} times", None
    try:
        digest = arguments_digest(review.kind, arguments)
    except BadInput as e:
        return e.what, None
    if value.get("new_arguments_digest") != digest:
        return "`new_arguments_digest` isn't that of `arguments`", None
    now = turn.judged(review.kind, arguments, review.confidence, review.agent)
    if now.verdict is Verdict.DENY:
        return f"with these arguments the rules deny it: {now.reason}"[:1000], None
    return "", now


def _digest(kind: str, judgement: Judgement, review: Review) -> str:
    if judgement.arguments is review.arguments:
        return review.arguments_digest
    return arguments_digest(kind, judgement.arguments)
