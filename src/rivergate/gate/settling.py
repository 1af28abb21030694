"""How a review ends: the settlement, and in the same commit the action or the denial that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rivergate.gate.emission import Origin
from rivergate.gate.folding import Turn
from rivergate.gate.judging import Judgement, Spoken
from rivergate.gate.policy.model import Verdict
from rivergate.gate.review import Review

REJECTED: Final = "rejected"


def approve(turn: Turn, review: Review, judgement: Judgement) -> None:
    """People approved and the rules in force now let it pass: act."""
    turn.emit.approved_action(review, judgement)
    _settle(turn, review, "approved", f"approved by {', '.join(by for _, by in review.approvals)}")
    _label(turn, review, value=True)


def refuse(turn: Turn, review: Review, judgement: Judgement) -> None:
    """People approved, the rules in force now deny: no action, and no label, since people said yes."""
    reason = f"approved by people, stopped by the gate: {judgement.reason}"
    _deny(turn, review, judgement.rules, reason)
    _settle(turn, review, "refused", reason)


def reject(turn: Turn, review: Review, by: str, note: str) -> None:
    """A person said no."""
    reason = f"rejected by {by}" + (f": {note}" if note else "")
    _deny(turn, review, (Spoken(REJECTED, Verdict.DENY, reason[:500]),), reason)
    _settle(turn, review, REJECTED, reason)
    _label(turn, review, value=False)


def settle_without(turn: Turn, review: Review, result: str, rule: str, because: str) -> None:
    """It ends without anybody's yes or no: a denial, never a label."""
    _deny(turn, review, (Spoken(rule, Verdict.DENY, because),), because)
    _settle(turn, review, result, because)


def _deny(turn: Turn, review: Review, rules: Sequence[Spoken], reason: str) -> None:
    turn.emit.denial(Origin.of_review(review), review, rules, reason, turn.policy_digest)


def _settle(turn: Turn, review: Review, result: str, reason: str) -> None:
    turn.emit.settled(review, result, reason)
    turn.state.close(review, result)


def _label(turn: Turn, review: Review, *, value: bool) -> None:
    about = {"proposal_id": review.proposal_id, "event_id": review.event_id, "event": review.event}
    turn.emit.label(Origin.of_review(review), about, value, "decision")
