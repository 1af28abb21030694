"""Proposals: judged once each; every one that can be identified ends as an action, a denial or a review."""

from __future__ import annotations

from typing import Final

from rivergate.domain.ids import arguments_digest
from rivergate.domain.record import Record
from rivergate.gate.emission import Origin
from rivergate.gate.folding import Turn
from rivergate.gate.judging import Judgement, Spoken, denied
from rivergate.gate.policy.model import Verdict
from rivergate.gate.proposal import GATE_ERROR, TOO_LARGE, Proposed, json_object, proposal_id_in, read_proposal
from rivergate.gate.review import Review
from rivergate.gate.settling import settle_without
from rivergate.gate.state import OPEN_REVIEWS

EXPIRED: Final = "expired"
WITHDRAWN: Final = "withdrawn"
QUEUE_FULL: Final = "review-queue-full"


def on_proposal(turn: Turn, record: Record, index: int) -> None:
    """Judge it, unless it was judged before or can't be."""
    out = turn.emit.out
    p = read_proposal(record, turn.emit.app, turn.clock, out.limit_bytes)
    if isinstance(p, str):
        out.skip(index, p)
        return
    state = turn.state
    before = state.judged.get(p.proposal_id)
    if before is not None or p.proposal_id in state.reviews:
        if before in (None, p.mark):  # None: its id was forgotten, its review is still open
            turn.count("repeated_proposals")
        else:
            turn.count("conflicting_proposals")
            turn.emit.conflict_span(p, record)
        return
    late = p.expires_at <= turn.clock
    if p.may_repeat and (late or p.expires_at <= state.judged.horizon):
        why = "it came after its expires_at" if late else "the gate can't tell any more whether it judged it"
        out.skip(index, f"{why}; nobody judged this record: propose again")
        return
    _judge_once(turn, p, record)
    if not late:
        state.judged.add(p.proposal_id, p.expires_at, p.mark)


def _judge_once(turn: Turn, p: Proposed, record: Record) -> None:
    """Whatever goes wrong in here ends as a denial, with nothing of the attempt left."""
    out = turn.emit.out
    started = turn.emit.batch.stopwatch()
    records = len(out.records)
    try:
        judgement = _verdict(turn, p)
        judgement = _written(turn, p, judgement, record)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as e:  # noqa: BLE001 - habit 5: any exception in the gate means deny, a panic too
        del out.records[records:]
        turn.state.reviews.pop(p.proposal_id, None)
        judgement = denied(GATE_ERROR, f"{type(e).__name__}: {e}"[:500], {}, turn.policy_digest)
        turn.count("gate_errors")
        _deny(turn, p, judgement)
    turn.emit.verdict_span(p, judgement, started)


def _verdict(turn: Turn, p: Proposed) -> Judgement:
    if p.problem is not None:
        return denied(*p.problem, p.arguments, turn.policy_digest)
    if p.expires_at <= turn.clock:
        return denied(EXPIRED, f"it came after its expires_at, {p.expires}", p.arguments, turn.policy_digest)
    return turn.judged(p.kind, p.arguments, p.confidence, p.agent)


def _written(turn: Turn, p: Proposed, judgement: Judgement, record: Record) -> Judgement:
    """Write what the verdict means; returns the verdict that was written, stricter where that was impossible."""
    out = turn.emit.out
    if judgement.verdict is Verdict.DENY:
        _deny(turn, p, judgement)
        return judgement
    unchanged = judgement.arguments is p.arguments
    digest = p.arguments_digest if unchanged else arguments_digest(p.kind, judgement.arguments)
    review = None
    if judgement.verdict is Verdict.REVIEW:
        if len(turn.state.reviews) >= OPEN_REVIEWS:
            turn.count("queue_full")
            return _stricter(turn, p, judgement, QUEUE_FULL, f"{OPEN_REVIEWS} proposals wait for people already")
        review = Review.of(p, judgement, digest, turn.clock)
        reasons = (json_object(record) or {}).get("reasons")
        length = turn.emit.opened(p, review, judgement, reasons if isinstance(reasons, list) else [])
    else:
        length = turn.emit.action(p, judgement, digest)
    if length > out.limit_bytes:
        out.records.pop()
        return _stricter(turn, p, judgement, TOO_LARGE, f"the record of it would have {length} bytes")
    if review is not None:
        turn.state.open(review)
    return judgement


def _stricter(turn: Turn, p: Proposed, judgement: Judgement, rule: str, because: str) -> Judgement:
    rules = (Spoken(rule, Verdict.DENY, because), *judgement.rules)
    instead = Judgement(Verdict.DENY, rules, p.arguments, judgement.policy_digest)
    _deny(turn, p, instead)
    return instead


def _deny(turn: Turn, p: Proposed, judgement: Judgement) -> None:
    turn.emit.denial(Origin.of_proposal(p), p, judgement.rules, judgement.reason, judgement.policy_digest)


def on_withdrawal(turn: Turn, record: Record, index: int) -> None:
    """The agent takes a proposal back: an open review is cancelled; what was acted on stays as it is."""
    value = json_object(record)
    pid = proposal_id_in(value)
    if value is None or pid is None:
        turn.emit.out.skip(index, "a withdrawal needs `proposal_id`")
        return
    review = turn.state.reviews.get(pid)
    if review is None:
        turn.count("withdrawals_too_late")
        return
    settle_without(turn, review, "cancelled", WITHDRAWN, f"withdrawn: {str(value.get('reason', ''))[:500]}")


def fire_deadlines(turn: Turn) -> None:
    """Reviews whose time has come end as expired: denied, and no label, since silence says nothing."""
    while (review := turn.state.expired_review(turn.clock)) is not None:
        settle_without(turn, review, "expired", EXPIRED, "nobody decided in time")
