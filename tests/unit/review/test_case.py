"""The view converges: the same facts mean the same, in whatever order and however often they came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.review import kit

from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.record import Record
from rivergate.review.case import Case, State
from rivergate.review.fact import fact_of
from rivergate.review.reading import detail_of

RESULTS = ["approved", "rejected", "refused", "expired", "cancelled", "superseded"]


def case_of(records: list[Record]) -> Case:
    """The case that these records make, merged one by one in this order."""
    case = Case(kit.proposal_id(1))
    for record in records:
        fact = fact_of(record)
        assert fact is not None
        case = case.merged([fact[1]])
    return case


@st.composite
def stories(draw: st.DrawFn) -> kit.MemoryLog:
    """All that may happen to one proposal, on its six topics, cut off anywhere."""
    log = kit.MemoryLog()
    at = iter(range(kit.START, kit.START + 1000))

    def write(ce_type: str, value: dict[str, Any]) -> None:
        log.append(ce_type, value, next(at))

    write(names.PROPOSAL_V1, kit.proposal(1))
    if draw(st.booleans()):
        write(names.REVIEW_OPENED_V1, kit.opened(1))
        for revision in range(1, draw(st.integers(1, 3))):
            write(names.REVIEW_AMENDED_V1, kit.amended(1, revision, {"line": f"line-{revision}"}))
        for n in range(draw(st.integers(0, 3))):
            for _ in range(draw(st.integers(1, 2))):
                write(names.DECISION_V1, kit.decision(1, f"decision-{n}", draw(st.sampled_from(["approve", "deny"]))))
            if draw(st.booleans()):
                write(
                    names.DECISION_JUDGED_V1,
                    kit.judged(1, f"decision-{n}", draw(st.sampled_from(["counted", "refused"]))),
                )
        if draw(st.booleans()):
            write(names.REVIEW_SETTLED_V1, kit.settled(1, draw(st.sampled_from(RESULTS)), "decision-0"))
    if draw(st.booleans()):
        write(names.ACTION_V1, kit.action(1))
        write(names.INTENT_V1, kit.intent(1))
        for status in draw(st.lists(st.just("unknown"), max_size=1)) + draw(
            st.lists(st.sampled_from(["done", "refused"]), max_size=1)
        ):
            write(names.OUTCOME_V1, kit.outcome(1, status))
    elif draw(st.booleans()):
        write(names.DENIAL_V1, kit.denial(1, "no"))
    return log


@settings(deadline=None)
@given(stories(), st.data())
def test_any_interleaving_with_repeats_gives_the_same_case(log: kit.MemoryLog, data: st.DataObject) -> None:
    """Partitions of six topics are read independently, and a crash makes some records come again."""
    records = log.all()
    shuffled = data.draw(st.permutations(records))
    repeats = data.draw(st.lists(st.sampled_from(records), max_size=4))
    one, other = case_of(records), case_of([*repeats, *shuffled, *repeats])
    assert one.to_json() == other.to_json()
    assert detail_of(one, kit.START) == detail_of(other, kit.START)


@settings(deadline=None)
@given(stories(), st.integers(0, 30))
def test_merging_is_associative(log: kit.MemoryLog, cut: int) -> None:
    """Merging batch by batch is merging all at once."""
    facts = [f[1] for r in log.all() if (f := fact_of(r)) is not None]
    whole = Case(kit.proposal_id(1)).merged(facts)
    assert Case(kit.proposal_id(1)).merged(facts[cut:]).merged(facts[:cut]).to_json() == whole.to_json()


@settings(deadline=None)
@given(stories(), st.data())
def test_whatever_has_arrived_can_be_shown(log: kit.MemoryLog, data: st.DataObject) -> None:
    """No subset of the facts, however odd, breaks the page."""
    some = data.draw(st.lists(st.sampled_from(log.all()), unique_by=lambda r: r.position))
    case = case_of(some)
    detail = detail_of(case, kit.START)
    assert detail.proposal_id == kit.proposal_id(1)
    assert len(detail.history) == len(case.facts)


@settings(deadline=None)
@given(stories())
def test_a_case_survives_its_json(log: kit.MemoryLog) -> None:
    """What the store keeps is the case."""
    case = case_of(log.all())
    assert Case.from_json(case.proposal_id, case.to_json()) == case


@pytest.mark.parametrize("result", RESULTS)
def test_the_gate_alone_settles(result: str) -> None:
    """Decisions move nothing: the review is open until the gate's record says its result."""
    log = kit.MemoryLog()
    records = [
        log.append(names.REVIEW_OPENED_V1, kit.opened(1)),
        log.append(names.DECISION_V1, kit.decision(1, "decision-1")),
        log.append(names.DECISION_JUDGED_V1, kit.judged(1, "decision-1")),
    ]
    assert case_of(records).state is State.OPEN
    assert case_of([*records, log.append(names.REVIEW_SETTLED_V1, kit.settled(1, result))]).state == result


def test_of_two_decisions_with_one_id_the_first_on_the_log_stays() -> None:
    """An outbox may repeat a decision; another one under its id changes nothing."""
    log = kit.MemoryLog()
    first = log.append(names.DECISION_V1, kit.decision(1, "decision-1", "deny"))
    second = log.append(names.DECISION_V1, kit.decision(1, "decision-1", "approve"))
    for order in ([first, second], [second, first]):
        fact = case_of(order).get("decision/decision-1")
        assert fact is not None
        assert fact.value["verdict"] == "deny"


def test_an_unknown_outcome_waits_for_a_person_until_a_final_one_comes() -> None:
    """The newest outcome counts, in the order of the log."""
    log = kit.MemoryLog()
    unknown = log.append(names.OUTCOME_V1, kit.outcome(1, "unknown"))
    done = log.append(names.OUTCOME_V1, kit.outcome(1, "done"))
    assert case_of([unknown]).unresolved
    assert not case_of([done, unknown]).unresolved


def test_the_newest_amendment_is_in_force() -> None:
    """Revisions count, not the order in which they came; the deadline stays that of the opening."""
    log = kit.MemoryLog()
    opened = log.append(names.REVIEW_OPENED_V1, kit.opened(1))
    one = log.append(names.REVIEW_AMENDED_V1, kit.amended(1, 1, {"line": "line-1"}))
    two = log.append(names.REVIEW_AMENDED_V1, kit.amended(1, 2, {"line": "line-2"}))
    case = case_of([two, one, opened])
    assert case.current is not None
    assert case.current.value["arguments"] == {"line": "line-2"}
    assert case.expires_at == parse_rfc3339(kit.opened(1)["expires_at"])


def test_records_of_other_types_are_none_of_the_views_business() -> None:
    """Labels, for one, say nothing of a review."""
    log = kit.MemoryLog()
    assert fact_of(log.append(names.LABEL_V1, {"proposal_id": kit.proposal_id(1)})) is None


def test_a_record_without_a_time_has_the_brokers() -> None:
    """A header that is missing or malformed doesn't stop the view."""
    record = kit.MemoryLog().append(names.DENIAL_V1, kit.denial(1, "no"))
    odd = record._replace(given=[("ce_type", b"rivergate.denial.v1"), ("ce_time", b"yesterday")], timestamp_ms=5)
    fact = fact_of(odd)
    assert fact is not None
    assert parse_rfc3339(fact[1].at) == 5000
