from __future__ import annotations

import pytest
from tests.unit.review import kit

from rivergate.domain import names
from rivergate.review.case import Case
from rivergate.review.fact import fact_of
from rivergate.review.reading import decisions_of, detail_of, headline, item_of, rule_of


def case_of(log: kit.MemoryLog) -> Case:
    """The case of everything on the log."""
    return Case(kit.proposal_id(1)).merged([f[1] for r in log.all() if (f := fact_of(r)) is not None])


def reviewed() -> kit.MemoryLog:
    """A proposal under review."""
    log = kit.MemoryLog()
    log.append(names.PROPOSAL_V1, kit.proposal(1), kit.START)
    log.append(names.REVIEW_OPENED_V1, kit.opened(1), kit.START + 5)
    return log


def test_the_detail_says_what_why_and_whence() -> None:
    """Arguments, the rule with its values, reasons by weight, and the trace are all there."""
    detail = detail_of(case_of(reviewed()), kit.START)
    assert detail.arguments == kit.arguments(1)
    assert [(r.name, r.verdict, r.values) for r in detail.rules] == [
        ("costly-shutdown", "review", {"action.cost": 1200.5})
    ]
    assert [(r.text or r.feature, round(r.share, 2)) for r in detail.reasons] == [
        ("sensor 7 left its band", 0.0),
        ("sensor_7", 1.0),
        ("sensor_2", -0.33),
    ]
    assert (detail.trace_id, detail.agent, detail.confidence) == (kit.TRACE, "watcher", 0.87)


@pytest.mark.parametrize("given", [None, 5])
def test_a_review_without_reasons_can_be_opened(given: object) -> None:
    """Gates of earlier versions passed on whatever a proposal had there."""
    log = kit.MemoryLog()
    log.append(names.REVIEW_OPENED_V1, kit.opened(1, reasons=given))
    assert detail_of(case_of(log), kit.START).reasons == ()


def test_a_decision_is_sent_then_counted_then_confirmed() -> None:
    """The answer follows the gate's records."""
    log = reviewed()
    answers = []
    log.append(names.DECISION_V1, kit.decision(1, "decision-1"))
    answers.append(decisions_of(case_of(log), kit.START)[0].answer)
    log.append(names.DECISION_JUDGED_V1, kit.judged(1, "decision-1"))
    answers.append(decisions_of(case_of(log), kit.START)[0].answer)
    log.append(names.REVIEW_SETTLED_V1, kit.settled(1, "approved", "decision-1"))
    answers.append(decisions_of(case_of(log), kit.START)[0].answer)
    assert answers == ["sent", "counted", "confirmed"]


def test_a_refused_decision_says_why() -> None:
    """And the review stays open, without an approval."""
    log = reviewed()
    log.append(names.DECISION_V1, kit.decision(1, "decision-1"))
    log.append(names.DECISION_JUDGED_V1, kit.judged(1, "decision-1", "refused", "not a reviewer", approvals=0))
    item, decision = item_of(case_of(log), kit.START), decisions_of(case_of(log), kit.START)[0]
    assert (decision.answer, decision.reason) == ("refused", "not a reviewer")
    assert (item.state, item.approvals, item.unanswered) == ("open", 0, 0)


def test_an_amendment_voids_approvals_and_marks_what_changed() -> None:
    """Approvals of an earlier revision don't show as approvals of this one."""
    log = reviewed()
    log.append(names.DECISION_V1, kit.decision(1, "decision-1"))
    log.append(names.DECISION_JUDGED_V1, kit.judged(1, "decision-1"))
    log.append(names.REVIEW_AMENDED_V1, kit.amended(1, 1, {"line": "line-1", "cost": 900, "why": "cheaper"}))
    detail = detail_of(case_of(log), kit.START)
    assert detail.changed == ("cost", "why")
    assert (detail.revision, detail.approvals) == (1, 0)


def test_steps_of_one_moment_stand_in_the_order_of_cause() -> None:
    """A commit writes settlement and action at one clock; history tells the settlement first."""
    log = reviewed()
    log.append(names.ACTION_V1, kit.action(1), kit.START + 9)
    log.append(names.REVIEW_SETTLED_V1, kit.settled(1, "approved"), kit.START + 9)
    assert [s.what for s in detail_of(case_of(log), kit.START).history] == [
        "proposed by watcher",
        "review opened",
        "settled: approved",
        "action released to effects",
    ]


def test_an_unresolved_action_is_shown_without_a_review() -> None:
    """What is known comes from the action."""
    log = kit.MemoryLog()
    log.append(names.ACTION_V1, kit.action(1, "allow"))
    log.append(names.OUTCOME_V1, kit.outcome(1, "unknown"))
    detail = detail_of(case_of(log), kit.START)
    assert (detail.state, detail.unresolved, detail.kind) == ("none", True, "shut_down")
    assert [r.name for r in detail.rules] == ["costly-shutdown"]


def test_a_resolution_is_sent_until_the_gate_confirms_it() -> None:
    """One that isn't the final outcome settles nothing, on the page nor in the history."""
    log = kit.MemoryLog()
    log.append(names.ACTION_V1, kit.action(1, "allow"), kit.START)
    log.append(names.OUTCOME_V1, kit.outcome(1, "unknown"), kit.START + 1)
    for at, (by, status) in enumerate((("reviewer-1", "failed"), ("reviewer-2", "done"))):
        log.append(names.RESOLUTION_V1, kit.resolution(1, by, status), kit.START + 2, partition=at)
    before = detail_of(case_of(log), kit.START)
    assert [(o.by, o.status, o.answer) for o in before.outcomes] == [
        (None, "unknown", None),
        ("reviewer-1", "failed", "sent"),
        ("reviewer-2", "done", "sent"),
    ]
    said = kit.outcome(1, "done", detail="reviewer-2 looked", resolved_by="reviewer-2")
    log.append(names.OUTCOME_V1, said, kit.START + 3)
    after = detail_of(case_of(log), kit.START)
    assert [(o.by, o.status, o.answer) for o in after.outcomes] == [
        (None, "unknown", None),
        ("reviewer-1", "failed", "superseded"),
        ("reviewer-2", "done", "confirmed"),
    ]
    assert [s.what for s in after.history][2:] == [
        "resolution failed sent by reviewer-1",
        "resolution done sent by reviewer-2",
        "outcome: done, resolved by reviewer-2",
    ]


def test_a_headline_is_one_short_line() -> None:
    """Long arguments are cut; values keep their JSON form, texts their own."""
    assert headline({"line": "a b", "n": [1, None], "ok": True}) == "line: a b, n: [1, null], ok: true"
    assert len(headline({"x": "y" * 1000})) == 120


def test_a_rule_may_be_a_name_alone() -> None:
    """Whatever stands in `rules`, the page can show it."""
    assert rule_of("default").name == "default"
    assert rule_of({"id": "r", "values": "odd"}).values == {}
