"""Every rule of the checker is seen red, and a clean world is green."""

from __future__ import annotations

import pytest
from tests.checker import Rule, judge
from tests.unit.checker.faults import FAULTS, Fault
from tests.unit.checker.tale import OPERATOR, Tale


def test_a_clean_world_has_no_findings() -> None:
    """Allowed, approved, edited, denied, expired, skipped: nothing of it is a finding."""
    assert judge(Tale().world.evidence(OPERATOR)) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_planted_fault_is_named(fault: Fault) -> None:
    """Each fault is found by the rules that are about it, and by no other."""
    findings = judge(fault.tale().world.evidence(OPERATOR))
    assert {f.rule for f in findings} == fault.rules, "\n".join(map(str, findings))


def test_every_rule_has_a_fault() -> None:
    """A rule that nobody has seen red is no rule."""
    assert set(Rule) - {r for f in FAULTS for r in f.rules} == set()


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.rules == {Rule.UNSETTLED}], ids=lambda f: f.name)
def test_an_app_that_runs_may_be_unsettled(fault: Fault) -> None:
    """What is still under way is a finding only where the app is said to have come to rest."""
    assert judge(fault.tale().world.evidence(OPERATOR, settled=False)) == []


def test_a_repeated_decision_is_no_finding() -> None:
    """Decisions come from an outbox: the first of each id binds."""
    tale = Tale({"decision B": lambda d: setattr(d, "copies", 2)})
    assert judge(tale.world.evidence(OPERATOR)) == []
