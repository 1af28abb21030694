from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.world import SCHEMAS

from rivergate.gate.judging import Judge, Judgement
from rivergate.gate.policy.cel import CelEngine
from rivergate.gate.policy.model import Policy, ReviewTerms, Rule, Verdict

ENGINE = CelEngine()

CONDITIONS = [
    "",
    "action.cost > 100.0",
    "action.cost <= 100.0",
    "action.hours > 4",
    "confidence < 0.5",
    "agent == 'watcher'",
    "1 / (action.hours - 3) > 0",
    "action.line.startsWith('a')",
]
ASSIGNMENTS = [
    ("cost", "100.0"),
    ("hours", "action.hours - 1"),
    ("cost", "50.0 / double(action.hours)"),
    ("line", "'x'"),
]

TERMS = st.builds(
    ReviewTerms,
    tier=st.sampled_from(["low", "medium", "high"]),
    quorum=st.integers(1, 3),
    expires_after_s=st.none() | st.floats(1, 100),
    roles=st.lists(st.sampled_from("ab"), unique=True).map(lambda r: tuple(sorted(r))),
)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Up to six rules with ids of their own."""
    made = []
    for n in range(draw(st.integers(0, 6))):
        verdict = draw(st.sampled_from(list(Verdict)))
        made.append(
            Rule(
                id=f"r{n}",
                kinds=("inspect",),
                verdict=verdict,
                when=draw(st.sampled_from(CONDITIONS)),
                terms=draw(TERMS) if verdict is Verdict.REVIEW else None,
                assignments=(draw(st.sampled_from(ASSIGNMENTS)),) if verdict is Verdict.MODIFY else (),
            )
        )
    return made


ARGUMENTS = st.fixed_dictionaries(
    {
        "line": st.sampled_from(["a1", "b2"]),
        "cost": st.floats(0, 200) | st.integers(0, 200),
        "hours": st.integers(0, 8),
    }
)
ON_ERROR = st.sampled_from([Verdict.DENY, Verdict.REVIEW])


def judge(
    said: list[Rule], arguments: dict[str, Any], on_error: Verdict = Verdict.DENY, confidence: float | None = 0.7
) -> Judgement:
    """The verdict under these rules."""
    policy = Policy("p", tuple(said), SCHEMAS, ENGINE.identity, on_error)
    return Judge(policy, ENGINE).judge("inspect", arguments, confidence, "watcher")


def told(j: Judgement) -> Any:
    """What people see of it, without the policy's digest."""
    return j.verdict, j.rules, j.arguments, j.terms


@settings(max_examples=100, deadline=None)
@given(said=rules(), arguments=ARGUMENTS, on_error=ON_ERROR, data=st.data())
def test_the_order_of_rules_means_nothing(
    said: list[Rule], arguments: dict[str, Any], on_error: Verdict, data: st.DataObject
) -> None:
    """Any permutation of the rules gives the same verdict, rules, arguments and terms."""
    other = data.draw(st.permutations(said))
    assert told(judge(said, arguments, on_error)) == told(judge(other, arguments, on_error))


@settings(max_examples=100, deadline=None)
@given(said=rules(), arguments=ARGUMENTS, on_error=ON_ERROR)
def test_another_deny_never_makes_it_milder(said: list[Rule], arguments: dict[str, Any], on_error: Verdict) -> None:
    """With a deny rule that speaks the verdict is deny, whatever the others say."""
    more = [*said, Rule("no", ("*",), Verdict.DENY)]
    assert judge(more, arguments, on_error).verdict is Verdict.DENY


@settings(max_examples=100, deadline=None)
@given(said=rules(), arguments=ARGUMENTS, when=st.sampled_from(CONDITIONS), on_error=ON_ERROR)
def test_another_review_or_deny_rule_never_makes_it_milder(
    said: list[Rule], arguments: dict[str, Any], when: str, on_error: Verdict
) -> None:
    """Adding a restricting rule may turn a default denial into a review, but never a verdict into `allow`."""
    before = judge(said, arguments, on_error)
    for verdict in (Verdict.REVIEW, Verdict.DENY):
        after = judge([*said, Rule("more", ("*",), verdict, when)], arguments, on_error)
        defaulted = [s.id for s in before.rules] == ["default-deny"]
        assert after.verdict >= (Verdict.REVIEW if defaulted else before.verdict)


@settings(max_examples=100, deadline=None)
@given(said=rules(), arguments=ARGUMENTS)
def test_what_is_allowed_was_allowed_by_a_rule_and_fits_the_schema(said: list[Rule], arguments: dict[str, Any]) -> None:
    """`allow` leaves the arguments alone; `modify` is stable: judged again, its arguments stay as they are.

    They pass again too, unless the rules that spoke don't speak of what they made of them, and so none does.
    """
    j = judge(said, arguments)
    if j.verdict is Verdict.ALLOW:
        assert j.arguments is arguments
    if j.verdict <= Verdict.MODIFY:
        assert any(s.verdict is j.verdict for s in j.rules)
        again = judge(said, j.arguments)
        assert again.arguments == j.arguments
        assert again.verdict <= Verdict.MODIFY or [s.id for s in again.rules] == ["default-deny"]


@pytest.mark.parametrize(("on_error", "verdict"), [(Verdict.DENY, "deny"), (Verdict.REVIEW, "review")])
def test_a_failing_condition_never_allows(on_error: Verdict, verdict: str) -> None:
    """The culprit is named with its error, beside a rule that would have allowed."""
    said = [Rule("yes", ("*",), Verdict.ALLOW), Rule("bad", ("*",), Verdict.ALLOW, "1 / (action.hours - 2) > 0")]
    j = judge(said, {"line": "a", "cost": 1, "hours": 2}, on_error)
    assert j.verdict.word == verdict
    assert [(s.id, s.verdict.word) for s in j.rules] == [("bad", verdict), ("yes", "allow")]
    assert "divide by zero" in j.rules[0].because
    assert (j.terms is not None) == (on_error is Verdict.REVIEW)


def test_deny_wins_over_a_failing_condition_that_would_mean_review() -> None:
    """The lattice holds among rules that fail and rules that speak."""
    said = [Rule("bad", ("*",), Verdict.ALLOW, "1 / (action.hours - 2) > 0"), Rule("no", ("*",), Verdict.DENY)]
    assert judge(said, {"line": "a", "cost": 1, "hours": 2}, Verdict.REVIEW).verdict is Verdict.DENY


def test_a_missing_confidence_is_an_error_only_for_whoever_asks() -> None:
    """A rule that looks at the confidence fails where there is none; others don't mind."""
    yes = Rule("yes", ("*",), Verdict.ALLOW)
    arguments = {"line": "a", "cost": 1, "hours": 2}
    assert judge([yes], arguments, confidence=None).verdict is Verdict.ALLOW
    asks = Rule("asks", ("*",), Verdict.ALLOW, "confidence > 0.5")
    assert judge([yes, asks], arguments, confidence=None).verdict is Verdict.DENY


def test_an_endless_condition_is_an_error() -> None:
    """A breach of the iteration budget raises in the engine; here it is one more failed rule."""
    big = "[" + ",".join(["[1,2,3,4,5,6,7,8,9,10]"] * 30) + "]"
    when = f"{big}.all(x, x.all(y, x.all(z, x.all(w, x.all(q, y + z + w + q > 0)))))"
    j = judge([Rule("long", ("*",), Verdict.ALLOW, when)], {"line": "a", "cost": 1, "hours": 2})
    assert j.verdict is Verdict.DENY
    assert "budget" in j.rules[0].because


def test_an_unknown_kind_is_denied() -> None:
    """A kind without a schema is denied, whatever `*` rules say."""
    policy = Policy("p", (Rule("yes", ("*",), Verdict.ALLOW),), SCHEMAS, ENGINE.identity)
    j = Judge(policy, ENGINE).judge("launch", {}, 1.0, "watcher")
    assert (j.verdict, j.rules[0].id) == (Verdict.DENY, "unknown-kind")


def test_integers_of_float_fields_are_compared_as_floats() -> None:
    """JSON's 140 is 140.0 where the schema says number."""
    yes = Rule("yes", ("*",), Verdict.ALLOW, "action.cost == 140.0")
    assert judge([yes], {"line": "a", "cost": 140, "hours": 2}).rules[0].values == {"action.cost": 140.0}


def test_modifications_that_disagree_have_failed() -> None:
    """Two rules set a field to different values: an error that names both, no matter which came first."""
    a = Rule("a", ("*",), Verdict.MODIFY, assignments=(("cost", "1.0"),))
    b = Rule("b", ("*",), Verdict.MODIFY, assignments=(("cost", "2.0"),))
    j = judge([a, b], {"line": "a", "cost": 3, "hours": 2})
    assert j.verdict is Verdict.DENY
    assert "a and b set cost to different values" in j.reason
    same = Rule("c", ("*",), Verdict.MODIFY, assignments=(("cost", "1.0"),))
    assert judge([a, same], {"line": "a", "cost": 3, "hours": 2}).arguments["cost"] == 1.0


def test_a_modification_is_judged_again() -> None:
    """What a rule made of the arguments may be denied by another."""
    grow = Rule("grow", ("*",), Verdict.MODIFY, "action.cost < 10.0", assignments=(("cost", "action.cost * 100.0"),))
    no = Rule("no", ("*",), Verdict.DENY, "action.cost > 100.0")
    j = judge([grow, no], {"line": "a", "cost": 5, "hours": 2})
    assert (j.verdict, [s.id for s in j.rules]) == (Verdict.DENY, ["no", "grow"])


def test_a_modification_that_never_settles_is_denied() -> None:
    """Rules that keep changing the arguments contradict themselves."""
    more = Rule("more", ("*",), Verdict.MODIFY, assignments=(("cost", "action.cost + 1.0"),))
    j = judge([more], {"line": "a", "cost": 5, "hours": 2})
    assert j.rules[-1].id == "modify-unstable"
    assert j.verdict is Verdict.DENY


def test_long_values_are_cut() -> None:
    """Records of a verdict don't carry whole documents."""
    yes = Rule("yes", ("*",), Verdict.ALLOW, "size(action.line) > 3")
    (spoken,) = judge([yes], {"line": "x" * 5000, "cost": 1, "hours": 2}).rules
    assert spoken.values["action.line"] == "x" * 200 + "…"
