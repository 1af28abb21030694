"""From a case to what is shown of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rivergate.domain.clock import SECOND, Micros, parse_rfc3339
from rivergate.domain.ids import parse_traceparent, trace_id_of
from rivergate.review.case import Case
from rivergate.review.fact import Fact
from rivergate.review.history import history_of
from rivergate.review.view import DecisionView, OutcomeView, ReasonView, ReviewDetail, ReviewItem, RuleView

HEADLINE_CHARS = 120

OVERDUE_S = 300
"""After so long a decision without an answer isn't waited for any more. The gate answers within a second where it isn't held
up, and never a decision that it reads over an hour late: that one goes to the dead letters.
"""

_OVERDUE = (
    f"the gate hasn't answered it for over {OVERDUE_S // 60} minutes: it may never count; "
    "decide again while the review is open"
)


def item_of(case: Case, now: Micros) -> ReviewItem:
    """The case as a line of the queue."""
    return ReviewItem(**_item_fields(case, decisions_of(case, now)))


def detail_of(case: Case, now: Micros) -> ReviewDetail:
    """The case with all that is known of it."""
    current, about = case.current, case.about
    shown = current or about
    value: Mapping[str, Any] = about.value if about else {}
    seen: Mapping[str, Any] = shown.value if shown else {}
    opened = case.get("opened")
    proposal = case.get("proposal")
    denial = case.get("denial")
    event_id = str(value.get("event_id", ""))
    decisions = decisions_of(case, now)
    return ReviewDetail(
        **_item_fields(case, decisions),
        app=proposal.value["app"] if proposal else None,
        arguments=seen.get("arguments", {}),
        changed=_changed(opened, current),
        arguments_digest=seen.get("arguments_digest", ""),
        policy_digest=seen.get("policy_digest", ""),
        opened_policy_digest=opened.value["policy_digest"] if opened else "",
        makers=tuple(seen.get("makers", ())),
        roles=tuple(seen.get("roles", ())),
        rules=tuple(rule_of(r) for r in seen.get("rules", value.get("rules", ()))),
        reasons=_reasons((proposal or about).value.get("reasons") if about else None),
        event_id=event_id,
        event=value.get("event", {}),
        trace_id=trace_id(case),
        denial=denial.value["reason"] if denial else None,
        decisions=decisions,
        outcomes=_outcomes(case),
        history=history_of(case),
    )


def decisions_of(case: Case, now: Micros) -> tuple[DecisionView, ...]:
    """Every decision with the gate's answer, in the order in which they were written."""
    settled = case.get("settled")
    confirmed = set(settled.value["decisions"]) if settled else set()
    shown = []
    for fact in case.all("decision"):
        v = fact.value
        judged = case.get(f"judged/{v['decision_id']}")
        overdue = judged is None and parse_rfc3339(v["decided_at"]) < now - OVERDUE_S * SECOND
        shown.append(
            DecisionView(
                decision_id=v["decision_id"],
                verdict=v["verdict"],
                by=v["by"],
                note=v["note"],
                decided_at=v["decided_at"],
                revision=v["revision"],
                answer="overdue" if overdue else _answer(judged, confirmed, v["decision_id"]),
                reason=judged.value["reason"] if judged else _OVERDUE if overdue else "",
                approvals=judged.value["approvals"] if judged else None,
                needed=judged.value["needed"] if judged else None,
            )
        )
    return tuple(shown)


def trace_id(case: Case) -> str:
    """The trace that the proposal belongs to."""
    for fact in (case.get("opened"), case.get("proposal"), case.get("action")):
        parsed = parse_traceparent(fact.traceparent.encode()) if fact else None
        if parsed:
            return parsed[0]
    about = case.about
    return trace_id_of(about.value["event_id"]) if about else ""


def rule_of(rule: Any) -> RuleView:
    """A rule as the gate names it: its name alone, or an object that says more."""
    if not isinstance(rule, dict):
        return RuleView(name=str(rule), verdict="", message="", condition="", values={})
    values = rule.get("values")
    return RuleView(
        name=_text(rule, "id"),
        verdict=_text(rule, "verdict"),
        message=_text(rule, "because"),
        condition=_text(rule, "when"),
        values=values if isinstance(values, dict) else {},
    )


def _text(of: Mapping[str, Any], field: str) -> str:
    found = of.get(field)
    return "" if found is None else str(found)


def _item_fields(case: Case, decisions: Sequence[DecisionView]) -> dict[str, Any]:
    current, about, opened = case.current, case.about, case.get("opened")
    proposal, settled, newest = case.get("proposal"), case.get("settled"), case.outcome
    value: Mapping[str, Any] = about.value if about else {}
    seen: Mapping[str, Any] = current.value if current else {}
    revision = seen.get("revision", 0)
    counted = [d for d in decisions if d.answer in {"counted", "confirmed"} and d.revision == revision]
    return {
        "proposal_id": case.proposal_id,
        "kind": value.get("kind", ""),
        "agent": (proposal.value if proposal else value).get("agent"),
        "state": case.state or "none",
        "headline": headline((seen or value).get("arguments", {})),
        "tier": seen.get("tier"),
        "revision": revision,
        "quorum": seen.get("quorum", 1),
        "approvals": max((d.approvals or 0 for d in counted), default=0),
        "unanswered": sum(d.answer == "sent" for d in decisions),
        "confidence": (proposal.value if proposal else value).get("confidence"),
        "opened_at": opened.at if opened else None,
        "expires_at": value.get("expires_at"),
        "settled_at": settled.at if settled else None,
        "outcome": newest.value["status"] if newest else None,
        "unresolved": case.unresolved,
    }


def headline(arguments: Mapping[str, Any]) -> str:
    """The arguments in one line."""
    text = ", ".join(f"{k}: {_short(v)}" for k, v in arguments.items())
    return text if len(text) <= HEADLINE_CHARS else text[: HEADLINE_CHARS - 1] + "…"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _changed(opened: Fact | None, current: Fact | None) -> tuple[str, ...]:
    """Arguments that differ from those of the opening."""
    if opened is None or current is None or current is opened:
        return ()
    was, now = opened.value["arguments"], current.value["arguments"]
    return tuple(k for k in {**was, **now} if was.get(k) != now.get(k) or (k in was) != (k in now))


def _answer(
    judged: Fact | None, confirmed: set[str], decision_id: str
) -> Literal["sent", "counted", "confirmed", "refused"]:
    if judged is None:
        return "sent"
    if judged.value["result"] == "refused":
        return "refused"
    return "confirmed" if decision_id in confirmed else "counted"


def _reasons(reasons: Any) -> tuple[ReasonView, ...]:
    """Sentences first, then features by the size of their contribution. What is no list gives no reasons."""
    given = reasons if isinstance(reasons, list) else []
    listed = [r if isinstance(r, dict) else {"text": str(r)} for r in given]
    largest = max((abs(c) for c in map(_contribution, listed) if c is not None), default=0.0)
    views = [
        ReasonView(
            text=_text(r, "text"),
            feature=_text(r, "feature"),
            value=r.get("value"),
            contribution=_contribution(r),
            share=(_contribution(r) or 0.0) / largest if largest else 0.0,
        )
        for r in listed
    ]
    return tuple(sorted(views, key=lambda v: -1.0 if v.contribution is None else 1 - abs(v.share)))


def _contribution(reason: Mapping[str, Any]) -> float | None:
    found = reason.get("contribution")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _outcomes(case: Case) -> tuple[OutcomeView, ...]:
    """What the log says came of it, and what people say without its being the final outcome."""
    final = case.final
    views = [_reported(fact) for fact in case.all("outcome")]
    views += [
        _said(fact, "superseded" if final else "sent")
        for fact in case.all("resolution")
        if final is None or not _confirms(final.value, fact.value)
    ]
    return tuple(sorted(views, key=lambda o: parse_rfc3339(o.at)))


def _reported(fact: Fact) -> OutcomeView:
    v, by = fact.value, fact.value.get("resolved_by")
    answer: Literal["confirmed"] | None = "confirmed" if by else None
    return OutcomeView(status=v["status"], detail=v["detail"], effect=v.get("effect"), at=fact.at, by=by, answer=answer)


def _said(fact: Fact, answer: Literal["sent", "superseded"]) -> OutcomeView:
    v = fact.value
    return OutcomeView(
        status=v["status"], detail=v["note"], effect=v.get("effect"), at=fact.at, by=v["by"], answer=answer
    )


def _confirms(final: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether the gate wrote the final outcome on this word of a person."""
    return (final.get("resolved_by"), final["status"]) == (said["by"], said["status"])
