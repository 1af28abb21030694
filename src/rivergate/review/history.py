"""The history of a case, step by step, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339
from rivergate.review.case import Case
from rivergate.review.view import StepView

Tone = Literal["plain", "good", "bad", "wait"]
_Words = tuple[str, str, Tone]

# In which order steps of one moment happened.
_RANK = {
    names.PROPOSAL_V1: 0,
    names.REVIEW_OPENED_V1: 1,
    names.REVIEW_AMENDED_V1: 2,
    names.DECISION_V1: 3,
    names.WITHDRAWAL_V1: 3,
    names.DECISION_JUDGED_V1: 4,
    names.REVIEW_SETTLED_V1: 5,
    names.DENIAL_V1: 6,
    names.ACTION_V1: 6,
    names.INTENT_V1: 7,
    names.OUTCOME_V1: 8,
    names.RESOLUTION_V1: 9,
}
_TONES: dict[str, Tone] = {
    "approved": "good",
    "done": "good",
    "counted": "good",
    "rejected": "bad",
    "refused": "bad",
    "failed": "bad",
    "unknown": "wait",
    "expired": "wait",
}


def history_of(case: Case) -> tuple[StepView, ...]:
    """The steps by time; facts of one moment in the order in which they follow from one another."""
    facts = sorted(case.facts.values(), key=lambda f: (parse_rfc3339(f.at), _RANK.get(f.type, 9), f.order))
    steps = []
    for fact in facts:
        what, detail, tone = _WORDS[fact.type](fact.value)
        steps.append(StepView(at=fact.at, what=what, detail=detail, tone=tone))
    return tuple(steps)


def _proposed(v: dict[str, Any]) -> _Words:
    return f"proposed by {v['agent']}", f"confidence {v['confidence']:.0%}", "plain"


def _opened(v: dict[str, Any]) -> _Words:
    return "review opened", f"tier {v['tier']}, needs {v['quorum']} approval{'s' * (v['quorum'] != 1)}", "wait"


def _amended(v: dict[str, Any]) -> _Words:
    return f"amended to revision {v['revision']}", f"{v['because']}; earlier approvals are void", "wait"


def _decided(v: dict[str, Any]) -> _Words:
    return f"{v['verdict']} sent by {v['by']}", v["note"], "plain"


def _judged(v: dict[str, Any]) -> _Words:
    detail = v["reason"] or f"{v['approvals']} of {v['needed']} approvals"
    return f"decision {v['result']}", detail, _TONES.get(v["result"], "plain")


def _settled(v: dict[str, Any]) -> _Words:
    return f"settled: {v['result']}", "", _TONES.get(v["result"], "plain")


def _outcome(v: dict[str, Any]) -> _Words:
    effect = f" (effect: {v['effect']})" if v.get("effect") else ""
    by = f", resolved by {v['resolved_by']}" if v.get("resolved_by") else ""
    return f"outcome: {v['status']}{effect}{by}", _plain(v["detail"]), _TONES.get(v["status"], "plain")


def _plain(detail: Any) -> str:
    return detail if isinstance(detail, str) else "" if detail in (None, {}) else str(detail)


_WORDS: dict[str, Callable[[dict[str, Any]], _Words]] = {
    names.PROPOSAL_V1: _proposed,
    names.WITHDRAWAL_V1: lambda v: ("withdrawn by the agent", v["reason"], "plain"),
    names.REVIEW_OPENED_V1: _opened,
    names.REVIEW_AMENDED_V1: _amended,
    names.DECISION_V1: _decided,
    names.DECISION_JUDGED_V1: _judged,
    names.REVIEW_SETTLED_V1: _settled,
    names.ACTION_V1: lambda _: ("action released to effects", "", "good"),
    names.DENIAL_V1: lambda v: ("denied", v["reason"], "bad"),
    names.INTENT_V1: lambda v: (f"attempt {v['attempt']} begins", f"not after {v['not_after']}", "plain"),
    names.OUTCOME_V1: _outcome,
    names.RESOLUTION_V1: lambda v: (f"resolution {v['status']} sent by {v['by']}", v["note"], "plain"),
}
