from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.unit.review import kit
from tests.unit.review.memory_store import MemoryStore

from rivergate.domain import names, wire
from rivergate.domain.clock import rfc3339
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey, verify
from rivergate.review.errors import (
    DecisionConflict,
    DecisionMalformed,
    IdAmbiguous,
    NothingToResolve,
    OwnProposal,
    ReviewChanged,
    ReviewError,
    ReviewExpired,
    ReviewNotFound,
    ReviewSettled,
)
from rivergate.review.service import Receipt, Reviewer, ReviewService

KEY = SigningKey(bytes(range(32)))
BY = Reviewer("reviewer-1", "local-session", kit.START - 60_000_000)


class Desk:
    """A service over a store and a log in memory, with review 1 open."""

    def __init__(self) -> None:
        self.log = kit.MemoryLog(partition_count=4)
        self.store = MemoryStore()
        self.now = kit.START + 1
        self.service = ReviewService(kit.APP, self.store, self.log, KEY, lambda: self.now)
        self.event = {"topic": "telemetry", "partition": 3, "offset": 1}
        self.happened(names.PROPOSAL_V1, kit.proposal(1, event=self.event))
        self.happened(names.REVIEW_OPENED_V1, kit.opened(1, event=self.event))

    def happened(self, ce_type: str, value: dict[str, Any]) -> None:
        """A stage wrote this, and the view has it."""
        self.store.write([self.log.append(ce_type, value)])

    def decide(self, verdict: str = "approve", decision_id: str = "decision-1", **more: Any) -> Receipt:
        """Decide review 1 as it was opened."""
        given: dict[str, Any] = {
            "note": "",
            "seen_digest": kit.opened(1)["arguments_digest"],
            "seen_revision": 0,
        } | more
        pid = given.pop("pid", kit.proposal_id(1))
        by = given.pop("by", BY)
        return self.service.decide(pid, verdict, decision_id, by, **given)

    def written(self) -> list[Record]:
        """What the service wrote."""
        return self.log.records.get((names.topic(kit.APP, names.DECISIONS), 3), [])


@pytest.fixture
def desk() -> Desk:
    """A fresh one for each test."""
    return Desk()


def test_a_decision_is_a_signed_record_of_the_wire_contract(desk: Desk) -> None:
    """Every field of the contract, the signature over all of them, on the partition and key of the cause."""
    receipt = desk.decide(note="  looks right ")
    (record,) = desk.written()
    assert (receipt.partition, receipt.offset) == (3, 0)
    decision = wire.read(record)
    assert isinstance(decision, wire.DecisionRecord)
    assert (decision.verdict, decision.by, decision.note, decision.revision) == (
        "approve",
        "reviewer-1",
        "looks right",
        0,
    )
    assert (decision.decided_at, decision.auth_time) == (rfc3339(desk.now), rfc3339(BY.auth_time))
    value = orjson.loads(record.value or b"")
    assert verify(value, {KEY.key_id: KEY.public})
    assert not verify(value | {"verdict": "deny"}, {KEY.key_id: KEY.public})
    assert record.key == b"line-7"


def test_its_headers_are_a_cloudevent_in_the_reviews_trace(desk: Desk) -> None:
    """All headers of the contract; the trace is the review's, the span a new one."""
    desk.decide()
    headers = dict(desk.written()[0].headers or [])
    assert set(headers) == {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"}
    assert (headers["ce_id"], headers["ce_source"]) == (b"decision-1", b"/rivergate/fleet/review")
    assert headers["traceparent"].split(b"-")[1] == kit.TRACE.encode()
    assert headers["traceparent"].split(b"-")[2] != b"b7ad6b7169203331"


def test_the_same_form_twice_is_one_decision(desk: Desk) -> None:
    """A double click or a reload gets the first receipt, and one record is written."""
    assert desk.decide() == desk.decide()
    assert len(desk.written()) == 1


def test_the_same_form_from_two_threads_is_one_decision(desk: Desk) -> None:
    """Two requests at once race for the lock, not for the log."""
    start = threading.Barrier(4)

    def click() -> None:
        start.wait(5)
        desk.decide()

    threads = [threading.Thread(target=click) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(5)
    assert len(desk.written()) == 1


def test_a_restarted_service_knows_what_was_sent(desk: Desk) -> None:
    """The view has the decision; its form sent again is answered with where it stands."""
    first = desk.decide()
    desk.store.write(desk.written())
    desk.service = ReviewService(kit.APP, desk.store, desk.log, KEY, lambda: desk.now)
    assert desk.decide() == first
    assert len(desk.written()) == 1


def test_a_form_sent_with_another_verdict_is_a_conflict(desk: Desk) -> None:
    """The first decision under an id stands."""
    desk.decide("approve")
    with pytest.raises(DecisionConflict):
        desk.decide("deny")


def test_repeating_a_form_after_settlement_still_gives_the_receipt(desk: Desk) -> None:
    """Who reloads the answer's page isn't told that there is nothing left to decide."""
    first = desk.decide()
    desk.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "approved", "decision-1"))
    assert desk.decide() == first


def test_a_failed_write_can_be_repeated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of a decision that didn't reach the log."""
    with monkeypatch.context() as m:
        m.setattr(desk.log, "send", _unavailable)
        with pytest.raises(ConnectionError):
            desk.decide()
    desk.decide()
    assert len(desk.written()) == 1


def _unavailable(*_: object) -> tuple[int, int]:
    raise ConnectionError


def expired(d: Desk) -> None:
    """The deadline passes."""
    d.now = kit.START + kit.HOUR


def settled(d: Desk) -> None:
    """The gate settles it."""
    d.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "rejected"))


def edited(d: Desk) -> None:
    """Another reviewer edits it."""
    d.happened(names.REVIEW_AMENDED_V1, kit.amended(1, 1, {"line": "line-2"}))


@pytest.mark.parametrize(
    ("change", "error"), [(expired, ReviewExpired), (settled, ReviewSettled), (edited, ReviewChanged)]
)
def test_what_the_gate_would_refuse_is_refused_early(
    desk: Desk, change: Callable[[Desk], None], error: type[ReviewError]
) -> None:
    """With a sentence and a remedy, and without a record."""
    change(desk)
    with pytest.raises(error) as refused:
        desk.decide()
    assert refused.value.remedy
    assert desk.written() == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"seen_digest": "0" * 64}, ReviewChanged),
        ({"seen_revision": 1}, ReviewChanged),
        ({"verdict": "maybe"}, DecisionMalformed),
        ({"decision_id": "short"}, DecisionMalformed),
        ({"decision_id": "x" * 65}, DecisionMalformed),
        ({"note": "x" * 4001}, DecisionMalformed),
        ({"pid": "f" * 32}, ReviewNotFound),
        ({"pid": ""}, ReviewNotFound),
    ],
)
def test_a_decision_that_cannot_be_is_not_written(desk: Desk, wrong: dict[str, Any], error: type[ReviewError]) -> None:
    """Nothing reaches the log."""
    with pytest.raises(error):
        desk.decide(**wrong)
    assert desk.written() == []


def test_nobody_approves_what_they_stand_behind(desk: Desk) -> None:
    """But they may deny it."""
    maker = Reviewer("agent:watcher", "local-token", kit.START)
    with pytest.raises(OwnProposal):
        desk.decide(by=maker)
    desk.decide("deny", by=maker)
    assert len(desk.written()) == 1


def test_a_unique_beginning_names_a_review(desk: Desk) -> None:
    """A longer one that fits nothing gets near matches; one that fits several is refused."""
    whole = kit.proposal_id(1)
    assert desk.service.detail(whole[:5].upper()).proposal_id == whole
    with pytest.raises(ReviewNotFound) as unknown:
        desk.service.detail(whole[:3] + "zzz")
    assert unknown.value.near == (whole,)
    for n in range(2, 40):
        desk.happened(names.REVIEW_OPENED_V1, kit.opened(n))
    shared = next(c for c in "0123456789abcdef" if sum(p.startswith(c) for p in desk.store.known) > 1)
    with pytest.raises(IdAmbiguous):
        desk.service.detail(shared)


def test_an_unknown_outcome_is_resolved_once(desk: Desk) -> None:
    """Signed like a decision; a known outcome can't be resolved."""
    pid = kit.proposal_id(2)
    desk.happened(names.ACTION_V1, kit.action(2, "allow"))
    desk.happened(names.OUTCOME_V1, kit.outcome(2, "unknown"))
    receipt = desk.service.resolve(pid, "done", "resolution-1", BY, note="seen on site")
    assert desk.service.resolve(pid, "done", "resolution-1", BY, note="seen on site") == receipt
    record, headers = desk.log.sent[0]
    value = orjson.loads(record.value or b"")
    assert verify(value, {KEY.key_id: KEY.public})
    assert (value["status"], value["by"], value["note"]) == ("done", "reviewer-1", "seen on site")
    assert dict(headers)["ce_type"] == b"rivergate.resolution.v1"
    assert len(desk.log.sent) == 1
    desk.happened(names.OUTCOME_V1, kit.outcome(2, "done"))
    with pytest.raises(NothingToResolve):
        desk.service.resolve(pid, "failed", "resolution-2", BY, note="")
    with pytest.raises(DecisionMalformed):
        desk.service.resolve(pid, "unknown", "resolution-3", BY, note="")
