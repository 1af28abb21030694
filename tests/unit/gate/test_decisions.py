from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gate.world import (
    CHEAPER,
    POLICY,
    QUORUM,
    REVIEW_SERVICE,
    STRANGER,
    STRICT,
    World,
    kinds_of,
    rules_of,
)

from rivergate.domain import names
from rivergate.domain.clock import SECOND, rfc3339
from rivergate.domain.dead_letter import DeadLetter
from rivergate.domain.record import Record
from rivergate.kernel.commit import dead_letter
from rivergate.kernel.shard import ShardSpec

Said = list[tuple[str, dict[str, Any]]]


def judged(said: Said) -> dict[str, Any]:
    """The one answer to a decision among what was written."""
    (answer,) = [v for t, v in said if t == "review.decision_judged"]
    return answer


def test_an_approval_acts_settles_and_labels_in_one_commit() -> None:
    """A counted approval gives the action, the settlement and a label that says true."""
    w = World().ready()
    opened = w.open_review()
    said = w.send(w.decision(opened))
    assert kinds_of(said) == ["review.decision_judged", "action", "review.settled", "label"]
    answer, action, settled, label = (v for _, v in said)
    assert (answer["result"], answer["approvals"], answer["needed"]) == ("counted", 1, 1)
    assert (action["verdict"], action["decisions"], action["arguments"]) == ("review", ["d1"], opened["arguments"])
    assert action["opened_policy_digest"] == opened["policy_digest"] == action["policy_digest"]
    assert (settled["result"], settled["decisions"]) == ("approved", ["d1"])
    assert (label["value"], label["source"], label["event_id"]) == (True, "decision", "telemetry/3/0")
    assert {o.partition for o in w.out.records} == {3}


def test_the_review_span_covers_the_whole_wait() -> None:
    """One span from opening to settlement, a child of the gate's, linked with the decision's trace."""
    w = World().ready()
    opened = w.open_review()
    gate_span = w.spans[-1]
    decision = w.later(30).decision(opened)
    trace = b"00-" + b"c" * 32 + b"-" + b"d" * 16 + b"-01"
    w.send(decision._replace(given=[*(decision.headers or []), ("traceparent", trace)]))
    (span,) = w.out.spans
    assert (span.name, span.parent_id, span.trace_id) == ("review inspect", gate_span.span_id, gate_span.trace_id)
    assert span.end_ns - span.start_ns == 30 * 10**9
    assert span.links == [("c" * 32, "d" * 16)]


def test_a_redriven_decision_counts_under_its_signature() -> None:
    """One from a clock ahead of the gate's went to the dead letters; put back later, it is judged as it was signed."""
    w = World().ready()
    opened = w.open_review()
    decision = w.decision(opened, decided_at=rfc3339(w.clock + 400 * SECOND))
    assert kinds_of(w.send(decision)) == []
    assert "ahead" in w.skipped[0]
    spec = ShardSpec("plant", names.GATE, 0, (), "c", "w")
    letter = dead_letter(spec, decision, w.skipped[0])
    commit = ("rg_commit", b"gate/0/2/0")
    lying = Record(letter.topic, 3, 0, letter.key, letter.value, [*(letter.raw_headers or ()), commit])
    found = DeadLetter.of("plant", lying)
    assert found is not None
    output, headers = found.redriven()
    again = Record(output.topic, output.partition, 9, output.key, output.value, headers)
    answer = judged(w.later(200).send(again))
    assert (answer["decision_id"], answer["result"]) == ("d1", "counted")


def test_a_rejection_denies_and_labels_false() -> None:
    """A person's no settles at once; the label says false."""
    w = World().ready()
    said = w.send(w.decision(w.open_review(), "deny", note="not on a Sunday"))
    assert kinds_of(said) == ["review.decision_judged", "denial", "review.settled", "label"]
    assert said[1][1]["reason"] == "rejected by reviewer-1: not on a Sunday"
    assert said[2][1]["result"] == "rejected"
    assert said[3][1]["value"] is False


def test_quorum_takes_different_people() -> None:
    """Two approvals of one person are one."""
    w = World().ready(QUORUM)
    opened = w.open_review()
    assert kinds_of(w.send(w.decision(opened))) == ["review.decision_judged"]
    again = judged(w.send(w.decision(opened, name="d2")))
    assert (again["result"], again["reason"], again["approvals"]) == ("refused", "this person has approved already", 1)
    said = w.send(w.decision(opened, by="reviewer-2", name="d3"))
    assert judged(said)["approvals"] == 2
    (action,) = [v for t, v in said if t == "action"]
    assert action["decisions"] == ["d1", "d3"]


def test_a_decision_is_answered_once() -> None:
    """The review service may repeat a decision; its id is answered once only."""
    w = World().ready()
    opened = w.open_review()
    assert kinds_of(w.send(w.decision(opened), w.decision(opened))).count("review.decision_judged") == 1
    assert w.send(w.decision(opened)) == []
    assert w.fold.state.counters["repeated_decisions"] == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"revision": 1}, "revision 0"),
        ({"revision": "0"}, "revision 0"),
        ({"arguments_digest": "0" * 64}, "arguments that were seen"),
        ({"by": " "}, "by whom"),
        ({"by": None}, "by whom"),
        ({"by": "x" * 500}, "by whom"),
        ({"revision": 2**52}, "revision 0"),
        ({"verdict": "allow"}, "none of approve"),
        ({"proposal_id": "0" * 32}, "no open review"),
        ({"by": "owner-1"}, "nobody approves what they made"),
        ({"key": STRANGER}, "signature"),
        ({"verdict": "edit"}, "needs `arguments`"),
        ({"verdict": "edit", "arguments": {"cost": 1}, "new_arguments_digest": "0" * 64}, "new_arguments_digest"),
    ],
)
def test_a_decision_that_does_not_count_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    """Nothing happens but the answer, which says why; the review stays open and takes a proper decision."""
    w = World().ready()
    opened = w.open_review(on_behalf_of="owner-1")
    assert opened["makers"] == ["owner-1"]
    said = w.send(w.decision(opened, **changes))
    assert kinds_of(said) == ["review.decision_judged"]
    assert said[0][1]["result"] == "refused"
    assert why in said[0][1]["reason"]
    assert "action" in kinds_of(w.send(w.decision(opened, name="d2")))


def test_a_changed_decision_is_refused() -> None:
    """A field that was changed after signing breaks the signature."""
    w = World().ready()
    opened = w.open_review()
    forged = w.decision(opened)
    forged = forged._replace(value=(forged.value or b"").replace(b"reviewer-1", b"reviewer-2"))
    assert "signature" in judged(w.send(forged))["reason"]


def test_without_a_trusted_key_no_decision_counts() -> None:
    """Before the operator put a key on the log nobody vouches for anybody."""
    w = World()
    w.send(w.policy())
    assert "no review service's key" in judged(w.send(w.decision(w.open_review())))["reason"]


def test_a_maker_may_still_reject() -> None:
    """Maker and checker differ for approvals; taking back one's own is fine."""
    w = World().ready()
    opened = w.open_review(on_behalf_of="owner-1")
    assert "denial" in kinds_of(w.send(w.decision(opened, "deny", "owner-1")))


def test_a_role_must_be_held() -> None:
    """Where the rule names a role, the signed decision must name it too."""
    w = World().ready(POLICY.replace("expires_after: 10m", "role: safety"))
    opened = w.open_review()
    assert opened["roles"] == ["safety"]
    assert "role safety" in judged(w.send(w.decision(opened, roles=["kitchen"])))["reason"]
    assert "role safety" in judged(w.send(w.decision(opened, name="d2", roles="safety")))["reason"]
    assert "action" in kinds_of(w.send(w.decision(opened, name="d3", roles=["safety"])))


@pytest.mark.parametrize(
    "changes", [{"decided_at": None}, {"decided_at": "noon"}, {"decision_id": 3}, {"proposal_id": ["x"]}]
)
def test_what_cannot_be_answered_is_a_dead_letter(changes: dict[str, Any]) -> None:
    """Without an id or a time a decision is skipped with the reason."""
    w = World().ready()
    opened = w.open_review()
    assert w.send(w.decision(opened, **changes)) == []
    assert len(w.skipped) == 1
    assert w.send(w.record(names.DECISIONS, names.DECISION_V1, b"[")) == []


@pytest.mark.parametrize("seconds", [-3600, -4000, 400])
def test_a_decision_far_from_the_clock_is_a_dead_letter(seconds: int) -> None:
    """Over an hour late or minutes ahead: nobody can tell whether it was answered before."""
    w = World().ready()
    opened = w.open_review()
    assert w.send(w.decision(opened, decided_at=rfc3339(w.clock + seconds * SECOND))) == []
    assert "decided_at" in w.skipped[0]


def test_a_question_is_counted_and_settles_nothing() -> None:
    """`ask` is answered as counted, with no approvals; the review stays open."""
    w = World().ready()
    opened = w.open_review()
    answer = judged(w.send(w.decision(opened, "ask", note="which line?")))
    assert (answer["result"], answer["approvals"]) == ("counted", 0)
    assert "action" in kinds_of(w.send(w.decision(opened, name="d2")))


def test_a_settled_review_tells_how_it_was_settled() -> None:
    """A decision that comes too late is refused with the result."""
    w = World().ready()
    opened = w.open_review()
    w.send(w.decision(opened))
    assert judged(w.send(w.decision(opened, name="d2")))["reason"] == "the review was settled as approved"


# --- judged again at settlement ------------------------------------------------------------------------------


def test_what_the_rules_of_now_deny_is_refused_after_approval() -> None:
    """Approved by people, stopped by the policy that came meanwhile: refused, a denial, no label."""
    w = World().ready()
    opened = w.open_review()
    w.later(1).send(w.policy(STRICT))
    said = w.send(w.decision(opened))
    assert kinds_of(said) == ["review.decision_judged", "denial", "review.settled"]
    assert said[0][1]["result"] == "counted"
    assert rules_of(said[1][1])[0] == "absurd"
    assert said[1][1]["policy_digest"] != opened["policy_digest"]
    assert said[2][1]["result"] == "refused"


def test_what_the_rules_of_now_allow_is_still_an_action_after_review() -> None:
    """The verdict of an approved action is `review`, with the policy it was opened under."""
    w = World().ready()
    opened = w.open_review()
    w.later(1).send(w.policy(POLICY.replace("100.0", "1000.0")))
    (action,) = [v for t, v in w.send(w.decision(opened)) if t == "action"]
    assert action["verdict"] == "review"
    assert action["opened_policy_digest"] == opened["policy_digest"] != action["policy_digest"]


@pytest.mark.parametrize("policy", [CHEAPER, QUORUM])
def test_a_stricter_policy_amends_instead_of_acting_on_what_nobody_saw(policy: str) -> None:
    """Other arguments or a larger quorum: another revision, earlier approvals void, and people decide again."""
    w = World().ready()
    opened = w.open_review()
    w.later(1).send(w.policy(policy))
    said = w.send(w.decision(opened))
    assert kinds_of(said) == ["review.decision_judged", "review.amended"]
    amended = said[1][1]
    assert (amended["because"], amended["revision"]) == ("stricter", 1)
    assert "revision 1" in judged(w.send(w.decision(opened, name="d2")))["reason"]
    w.send(w.decision(amended, by="reviewer-2", name="d3"), w.decision(amended, by="reviewer-3", name="d4"))
    (action,) = [v for t, v in w.written if t == "action"]
    assert action["arguments"] == amended["arguments"]
    assert "d1" not in action["decisions"]


def test_modified_and_under_review_people_see_the_modified_arguments() -> None:
    """Review is stricter than modify, and what waits is what would be done."""
    w = World().ready()
    opened = w.open_review(140, hours=12)
    assert opened["arguments"]["hours"] == 8
    assert rules_of(opened) == ["costly-waits", "whole-shifts"]
    (action,) = [v for t, v in w.send(w.decision(opened)) if t == "action"]
    assert action["arguments_digest"] == opened["arguments_digest"]


# --- edits ---------------------------------------------------------------------------------------------------


def test_an_edit_makes_the_editor_a_maker_and_voids_approvals() -> None:
    """The next revision has the edited arguments; who edited can't approve, others can."""
    w = World().ready(QUORUM)
    opened = w.open_review()
    w.send(w.decision(opened, by="reviewer-2", name="d0"))
    said = w.send(w.edit(opened, cost=50.0))
    assert kinds_of(said) == ["review.decision_judged", "review.amended"]
    answer, amended = said[0][1], said[1][1]
    assert (answer["result"], answer["approvals"], answer["needed"]) == ("counted", 0, 2)
    assert (amended["because"], amended["makers"], amended["revision"]) == ("edited", ["reviewer-1"], 1)
    assert amended["arguments"]["cost"] == 50.0
    assert amended["quorum"] == 2
    assert "nobody approves" in judged(w.send(w.decision(amended, name="d1")))["reason"]
    w.send(*(w.decision(amended, by=f"reviewer-{i}", name=f"d{i}") for i in (2, 3)))
    (action,) = [v for t, v in w.written if t == "action"]
    assert (action["arguments"]["cost"], action["decisions"]) == (50.0, ["d2", "d3"])


def test_an_edit_that_the_rules_deny_is_refused() -> None:
    """An edit is judged like a proposal: what would be denied never becomes a revision."""
    w = World().ready()
    opened = w.open_review()
    assert "nothing costs that much" in judged(w.send(w.edit(opened, cost=20_000.0)))["reason"]
    assert "rules deny it" in judged(w.send(w.edit(opened, name="e2", cost="much")))["reason"]
    (review,) = w.fold.state.reviews.values()
    assert (review.revision, review.makers, review.decisions) == (0, [], [])


# --- expiry --------------------------------------------------------------------------------------------------


def test_a_review_expires_by_its_rule_and_leaves_no_label() -> None:
    """At its deadline it is settled as expired with a denial; silence is never a label."""
    w = World().ready()
    opened = w.open_review()
    assert opened["expires_at"] == rfc3339(w.clock + 600 * SECOND)
    assert w.fold.next_deadline() == w.clock + 600 * SECOND
    assert w.later(599).send() == []
    said = w.later(1).send(w.decision(opened))
    assert kinds_of(said) == ["denial", "review.settled", "review.decision_judged"]
    assert rules_of(said[0][1]) == ["expired"]
    assert said[1][1]["result"] == "expired"
    assert said[2][1]["reason"] == "the review was settled as expired"
    assert w.fold.next_deadline() is None


def test_a_review_never_outlives_its_proposal() -> None:
    """The earlier of the rule's time and the proposal's own ends it."""
    w = World().ready()
    assert w.open_review(lives_s=30)["expires_at"] == rfc3339(w.clock + 30 * SECOND)


def test_deadlines_fire_in_order() -> None:
    """Reviews that expire in one call end in order of (deadline, id)."""
    w = World().ready()
    ids = [(lives, w.open_review(n=n, lives_s=lives)["proposal_id"]) for n, lives in enumerate((50, 40, 50, 30))]
    said = w.later(60).send()
    assert [v["proposal_id"] for t, v in said if t == "review.settled"] == [pid for _, pid in sorted(ids)]


def test_the_reviews_key_is_the_one_that_signed() -> None:
    """A second trusted key counts as well as the first."""
    w = World().ready()
    w.send(w.key(STRANGER))
    assert "action" in kinds_of(w.send(w.decision(w.open_review(), key=STRANGER)))
    assert "action" in kinds_of(w.send(w.decision(w.open_review(n=1), key=REVIEW_SERVICE, name="d2")))
