"""What an explanation says of each way that a proposal can go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.unit.audit.story import APP, POLICY, Proposed, Story, records_of

from rivergate.audit.explain import explain
from rivergate.audit.explanation import Explanation
from rivergate.audit.narrative import contributions, headline, narrative, plain
from rivergate.domain import names
from rivergate.domain.errors import RivergateError
from rivergate.domain.record import Headers, Record


def told(tell: Callable[[Proposed], Any], **kwargs: Any) -> Explanation:
    """The explanation of a proposal that went so."""
    story = Story()
    p = Proposed(story, 48211, **kwargs)
    tell(p)
    return explain(p.id, records_of(story, p.id), lambda *_: p.record)


def text(e: Explanation) -> str:
    """The whole narrative on one line."""
    return " ".join(plain(words) for _, sentences in narrative(e) for words in sentences)


def approved(p: Proposed) -> None:
    """Waited, was approved, was done, and the truth came."""
    p.propose().review()
    p.settle("approved", p.decide(note="heard it myself")).do().label(value=True)


def test_an_approved_action_is_told_from_event_to_label() -> None:
    """Every station of the way is there, with what somebody would ask about it."""
    e = told(approved)
    assert e.state == "done"
    assert (e.event.place, e.event.fields) == (
        "telemetry/3/48211",
        {"line": "line-4", "sensors": {"s1": 3.2, "s9": 81.0}},
    )
    assert e.agent is not None
    assert (e.agent.name, e.agent.confidence) == ("watcher", 0.93)
    assert [r.contribution for r in e.agent.reasons] == [None, 2.41, -0.38]
    assert e.verdict is not None
    assert (e.verdict.verdict, e.verdict.policy_digest, e.verdict.rules[0].id) == (
        "review",
        POLICY,
        "costly-needs-a-person",
    )
    assert e.review is not None
    [d] = e.review.decisions
    assert (d.by, d.verdict, d.note, d.answer, d.approvals, d.needed) == (
        "reviewer-1",
        "approve",
        "heard it myself",
        "counted",
        1,
        1,
    )
    assert e.action is not None
    assert e.action.digest == e.arguments_digest
    assert [x.status for x in e.effects] == ["intent", "done"]
    assert [label.value for label in e.labels] == [True]
    assert e.findings == ()
    assert len(e.timeline) == 9
    assert len(e.trace_id) == 32


def test_the_narrative_reads_as_sentences() -> None:
    """A person, the rule with its values, the note, the outcome and the label are told in words."""
    said = text(told(approved))
    for part in (
        "It says: line line-4, sensors.s1 3.2, sensors.s9 81.",
        "agent watcher wanted shut_down with machine line-4, cost 1800, with a confidence of 93 %.",
        "Rule costly-needs-a-person says review, since arguments.cost = 1800 and constants.review_above = 500.",
        "\N{LEFT DOUBLE QUOTATION MARK}heard it myself.\N{RIGHT DOUBLE QUOTATION MARK}",
        "The gate counted it (1 of 1).",
        "It was done, 10 ms after it was allowed: work_order wo-000017.",
        "1 h 33 min later the truth was learnt from the outcome: true.",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("tell", "state", "said"),
    [
        (lambda p: p.propose(), "proposed", "The gate has said nothing yet."),
        (lambda p: p.propose().deny(), "denied", "Rule never-at-night says deny, since event_hour = 3."),
        (lambda p: p.propose().review(), "waiting", "It waits for one person (tier operator), until"),
        (lambda p: p.propose().allow(), "allowed", "Effects haven't begun yet."),
        (lambda p: p.propose().review().settle("expired"), "expired", "Nobody decided."),
        (
            lambda p: p.propose().allow().do("failed", "disk full", effect="partial"),
            "failed",
            "effect on the world: partial",
        ),
        (lambda p: p.propose().allow().do("unknown"), "unknown", "It was unknown"),
        (lambda p: p.propose().review().decide("ask", note="which bearing?"), "waiting", "asked back"),
        (
            lambda p: p.propose().review().decide(refused="nobody approves their own"),
            "waiting",
            "refused that decision",
        ),
    ],
)
def test_every_end_has_its_words(tell: Callable[[Proposed], Any], state: str, said: str) -> None:
    """State, headline and sentences for each way that a proposal can have gone so far."""
    e = told(tell)
    assert e.state == state
    assert said in text(e)
    assert plain(headline(e)).startswith("shut_down ")


def test_a_rejected_review_says_who_and_why() -> None:
    """A denial after a review names the person, the note and the result."""

    def tell(p: Proposed) -> None:
        p.propose().review()
        p.settle("rejected", p.decide("deny", "reviewer-2", "a known artefact"))

    e = told(tell)
    assert e.denial is not None
    assert "reviewer-2 said no" in text(e)
    assert "a known artefact" in text(e)
    assert "So it was denied: review rejected." in text(e)


def test_a_label_may_come_before_the_proposal() -> None:
    """Truth that was on the log before the agent spoke is told so, not as learnt later."""
    story = Story()
    p = Proposed(story, 7)
    p.label(value=False, source="topic")
    story.pass_time(2)
    p.propose()
    assert "The truth was on the log 2 s before the agent spoke, from the topic: false." in text(
        explain(p.id, records_of(story, p.id))
    )


def test_contributions_come_weightiest_first() -> None:
    """Reasons with contributions are sorted by weight, whatever their sign."""
    assert [f for f, _, _ in contributions(told(approved))] == ["s9", "s1"]


def test_the_event_is_named_where_it_cannot_be_read() -> None:
    """No broker, a record that retention took, a broker that is away, a value that isn't JSON: each says so."""
    story = Story()
    p = Proposed(story, 7).propose()
    records = records_of(story, p.id)

    def away(*_: object) -> Record:
        raise RivergateError("no broker answers")

    fetches: list[Any] = [None, lambda *_: None, away, lambda *_: Record("telemetry", 3, 7, None, b"\x00", None)]
    notes = [explain(p.id, records, fetch).event.note for fetch in fetches]
    assert "--bootstrap" in notes[0]
    assert "retention" in notes[1]
    assert "no broker answers" in notes[2]
    assert "isn't a JSON object" in notes[3]


ANOTHER = "another record stands there now"
LABEL = names.LABEL_V1.encode()


@pytest.mark.parametrize(
    ("event_id", "headers", "value", "note"),
    [
        ("telemetry/3/7", [], {"line": "a"}, ""),
        ("door#1", [("ce_source", b"door"), ("ce_id", b"1")], {"line": "a"}, ""),
        ("door#1", [("ce_source", b"door"), ("ce_id", b"2")], {"line": "a"}, ANOTHER),
        ("door#1", [], {"line": "a"}, ANOTHER),
        ("telemetry/3/7!timer/check/17", [], {"line": "a"}, ""),
        ("door#1!timer/check/17", [("ce_source", b"door"), ("ce_id", b"2")], {"line": "a"}, ANOTHER),
        ("door#1!timer/check/17", [("ce_type", LABEL)], {"event_id": "door#1", "value": True}, ""),
        ("", [], {"line": "a"}, ""),
    ],
)
def test_a_record_of_another_event_is_not_shown_as_the_event(
    event_id: str, headers: Headers, value: dict[str, Any], note: str
) -> None:
    """A topic that was made anew has other records at the same places. A timer is named after what it was set at, and
    one that was set at a label after the label's event.
    """
    story = Story()
    p = Proposed(story, 7)
    p.common |= {"event_id": event_id}
    p.propose()
    record = Record("telemetry", 3, 7, None, orjson.dumps(value), headers)
    event = explain(p.id, records_of(story, p.id), lambda *_: record).event
    assert (event.note, event.fields) == (note, None if note else value)
    assert event.id == event_id


def test_plain_text_reasons_and_rules_are_understood() -> None:
    """Reasons may be sentences and rules mere names."""
    story = Story()
    p = Proposed(story, 7)
    p.step(
        names.PROPOSALS, names.PROPOSAL_V1, "agent-watcher", agent="watcher", kind="k", reasons=["because"], **p.common
    )
    p.step(names.DENIALS, names.DENIAL_V1, "gate", rules=["r1"], reason="no", policy_digest=POLICY, **p.common)
    e = explain(p.id, records_of(story, p.id))
    assert e.agent is not None
    assert e.agent.reasons[0].text == "because"
    assert "Rule r1." in text(e)


@pytest.mark.parametrize("given", [None, 5, "because"])
def test_reasons_that_are_no_list_are_none(given: object) -> None:
    """The rest of the proposal is told all the same."""
    story = Story()
    p = Proposed(story, 7)
    p.step(names.PROPOSALS, names.PROPOSAL_V1, "agent-watcher", agent="watcher", kind="k", reasons=given, **p.common)
    agent = explain(p.id, records_of(story, p.id)).agent
    assert agent is not None
    assert (agent.name, agent.reasons) == ("watcher", ())


def planted(change: Callable[[Story, Proposed], None]) -> str:
    """The findings of an approved action in whose records something was planted."""
    story = Story()
    p = Proposed(story, 48211)
    approved(p)
    change(story, p)
    return "; ".join(explain(p.id, records_of(story, p.id)).findings)


def without(ce_type: str) -> Callable[[Story, Proposed], None]:
    """Take every record of a type away."""

    def change(story: Story, p: Proposed) -> None:
        story.records = [r for r in story.records if r.ce_type != ce_type]

    return change


def altered(ce_type: str, **fields: Any) -> Callable[[Story, Proposed], None]:
    """Change fields of every record of a type."""

    def change(story: Story, p: Proposed) -> None:
        for i, r in enumerate(story.records):
            if r.ce_type == ce_type:
                story.records[i] = r._replace(value=orjson.dumps(orjson.loads(r.value or b"") | fields))

    return change


def again(ce_type: str, **fields: Any) -> Callable[[Story, Proposed], None]:
    """Write a record of a type once more."""

    def change(story: Story, p: Proposed) -> None:
        r = next(r for r in story.records if r.ce_type == ce_type)
        story.write(r.topic, orjson.dumps(orjson.loads(r.value or b"") | fields), r.headers or [])

    return change


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (altered(names.ACTION_V1, arguments={"cost": 1}), "don't have the digest that the record claims"),
        (altered(names.DECISION_V1, arguments_digest="0" * 64), "for other arguments than the action's"),
        (without(names.PROPOSAL_V1), "the proposal itself isn't in the audit store"),
        (without(names.INTENT_V1), "without the intent"),
        (without(names.ACTION_V1), "an outcome without an action"),
        (again(names.ACTION_V1), "there are 2 actions"),
        (again(names.OUTCOME_V1), "2 final outcomes"),
        (again(names.PROPOSAL_V1, confidence=0.1), "say different things"),
        (lambda s, p: p.deny(), "an action and a denial"),
    ],
)
def test_what_does_not_add_up_is_found(change: Callable[[Story, Proposed], None], finding: str) -> None:
    """A planted fault is said in a sentence; without faults nothing is."""
    assert planted(lambda *_: None) == ""
    assert finding in planted(change)


def set_aside(ce_type: str, stage: str, reason: str) -> Callable[[Story, Proposed], None]:
    """A stage couldn't handle the record of that type: its copy goes to the dead letters."""

    def change(story: Story, p: Proposed) -> None:
        r = next(r for r in story.records if r.ce_type == ce_type)
        letter = [*(r.headers or []), ("rg_reason", reason.encode()), ("rg_commit", f"{stage}/3/9/0".encode())]
        story.write(names.topic(story.app, names.DEAD_LETTERS), r.value, letter)

    return change


@pytest.mark.parametrize(
    ("ce_type", "stage"),
    [
        (names.PROPOSAL_V1, "gate"),
        (names.ACTION_V1, "effects"),
        (names.OUTCOME_V1, "gate"),
        (names.DENIAL_V1, "review"),
        (names.LABEL_V1, "agent-watcher"),
        (names.DECISION_V1, "gate"),
        (names.REVIEW_OPENED_V1, "gate"),
    ],
)
def test_a_dead_letter_counts_as_no_second_record(ce_type: str, stage: str) -> None:
    """It has type and value of the record that was set aside; only the timeline shows it, as what it is."""
    story = Story()
    p = Proposed(story, 48211)
    approved(p)
    if ce_type == names.DENIAL_V1:
        p.deny()
        story.records = [r for r in story.records if r.ce_type != names.ACTION_V1]
    before = explain(p.id, records_of(story, p.id))
    set_aside(ce_type, stage, "the reason of then")(story, p)
    after = explain(p.id, records_of(story, p.id))
    [moment] = [m for m in after.timeline if m not in before.timeline]
    assert (moment.who, moment.what.startswith("set aside ("), moment.what.endswith("): the reason of then")) == (
        stage,
        True,
        True,
    )
    assert after.model_copy(update={"timeline": before.timeline}) == before


def test_a_decision_that_was_set_aside_is_told_so_until_it_is_answered() -> None:
    """A late decision is no word that the gate still owes an answer; redriven and answered it is one decision."""
    story = Story()
    p = Proposed(story, 7).propose().review()
    p.decide()
    answer = story.records.pop()
    set_aside(names.DECISION_V1, "gate", "over an hour behind the clock")(story, p)
    late = explain(p.id, records_of(story, p.id))
    assert late.review is not None
    assert [(d.answer, d.answer_reason) for d in late.review.decisions] == [
        ("set aside", "over an hour behind the clock")
    ]
    assert "The gate set that decision aside: over an hour behind the clock." in text(late)
    again(names.DECISION_V1)(story, p)
    story.records.append(answer)
    redriven = explain(p.id, records_of(story, p.id))
    assert redriven.review is not None
    assert [d.answer for d in redriven.review.decisions] == ["counted"]


def test_an_explanation_is_json() -> None:
    """It goes to JSON and back unchanged."""
    e = told(approved)
    assert Explanation.model_validate_json(e.model_dump_json()) == e
    assert e.app == APP
