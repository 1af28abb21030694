"""The review service and the gate together, with neither broker nor browser: what one writes, the other takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gate.world import APP, QUORUM, REVIEW_SERVICE, STRANGER, World
from tests.unit.review import kit
from tests.unit.review.memory_store import MemoryStore

from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.review.errors import ReviewError, RoleMissing
from rivergate.review.service import Reviewer, ReviewService
from rivergate.review.view import ReviewDetail


class Loop:
    """The gate's outputs feed the view, the service's decisions feed the gate."""

    def __init__(self, policy: str, key: SigningKey = REVIEW_SERVICE) -> None:
        self.gate = World().ready(policy)
        self.store = MemoryStore()
        self.log = kit.MemoryLog()
        self.service = ReviewService(APP, self.store, self.log, key, lambda: self.gate.clock)
        self.pid = self.gate.open_review()["proposal_id"]
        self._see()

    def _see(self) -> None:
        outputs = self.gate.out.records
        self.store.write(
            [
                Record(o.topic, o.partition, self.gate.seq * 100 + n, o.key, o.value, [("ce_type", o.ce_type)])
                for n, o in enumerate(outputs)
            ]
        )

    def decide(self, verdict: str, by: str, name: str, **reviewer: Any) -> ReviewDetail:
        """Decide what is shown; returns what is shown once the gate has answered."""
        shown = self.service.detail(self.pid)
        self.service.decide(
            self.pid,
            verdict,
            name,
            replace(Reviewer(by, "local-session", self.gate.clock), **reviewer),
            note="seen",
            seen_digest=shown.arguments_digest,
            seen_revision=shown.revision,
        )
        written = self.log.all()[-1]
        self.store.write([written])
        self.gate.send(written)
        self._see()
        return self.service.detail(self.pid)


POLICY = QUORUM.replace("quorum: 2", "quorum: 1")


def test_an_approval_is_confirmed() -> None:
    """Signature, digest, revision, partition and key: the gate accepts what the service writes."""
    shown = Loop(POLICY).decide("approve", "reviewer-1", "decision-1")
    assert (shown.state, shown.decisions[0].answer, shown.decisions[0].note) == ("approved", "confirmed", "seen")


def test_a_denial_settles_and_says_by_whom() -> None:
    """The denial's reason is on the page."""
    shown = Loop(POLICY).decide("deny", "reviewer-1", "decision-1")
    assert shown.state == "rejected"
    assert "reviewer-1" in (shown.denial or "")


def test_a_quorum_of_two_counts_people_not_decisions() -> None:
    """The first approval is counted, a second one of the same person refused with the reason, another's settles."""
    loop = Loop(QUORUM)
    first = loop.decide("approve", "reviewer-1", "decision-1")
    assert (first.state, first.approvals, first.quorum, first.decisions[0].answer) == ("open", 1, 2, "counted")
    again = loop.decide("approve", "reviewer-1", "decision-2")
    assert again.decisions[1].answer == "refused"
    assert "approved already" in again.decisions[1].reason
    assert again.approvals == 1
    assert loop.decide("approve", "reviewer-2", "decision-3").state == "approved"


def test_a_service_that_nobody_trusts_decides_nothing() -> None:
    """Its signature is checked, and the page tells."""
    shown = Loop(POLICY, STRANGER).decide("approve", "reviewer-1", "decision-1")
    assert (shown.state, shown.decisions[0].answer) == ("open", "refused")
    assert "signature" in shown.decisions[0].reason


def test_a_role_is_asked_for_early_and_vouched_for() -> None:
    """Without it the service refuses; with it the gate counts."""
    loop = Loop(QUORUM.replace("quorum: 2", "role: senior"))
    assert loop.service.detail(loop.pid).roles == ("senior",)
    with pytest.raises(RoleMissing) as refused:
        loop.decide("approve", "reviewer-1", "decision-1")
    assert isinstance(refused.value, ReviewError)
    assert loop.decide("approve", "reviewer-1", "decision-2", roles=("senior",)).state == "approved"


def test_the_view_shows_what_the_gate_says_of_its_rules() -> None:
    """Its names, reasons and the values that it saw."""
    loop = Loop(POLICY)
    shown = loop.service.detail(loop.pid)
    assert [(r.name, r.verdict, r.message) for r in shown.rules] == [
        ("costly-waits", "review", "costly ones wait for a person")
    ]
    assert 140.0 in shown.rules[0].values.values()
    assert (shown.confidence, [r.text for r in shown.reasons]) == (0.75, ["looks odd"])
