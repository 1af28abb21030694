from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gate.world import APP, World, kinds_of, rules_of

from rivergate.domain import names, wire
from rivergate.domain.ids import digest_of
from rivergate.gate import proposals
from rivergate.gate.judging import Judge
from rivergate.ports import Batch, Outputs


def test_what_a_rule_allows_becomes_an_action_bound_to_its_arguments() -> None:
    """An allowed proposal keeps key, partition, trace and digest, and names the rules with the values they saw."""
    w = World().ready()
    record = w.proposal(50)
    ((kind, action),) = w.send(record)
    assert kind == "action"
    assert action["verdict"] == "allow"
    assert action["rules"] == [
        {
            "id": "cheap-passes",
            "verdict": "allow",
            "because": "cheap ones pass",
            "values": {"action.cost": 50.0, "constants.pass_up_to": 100.0},
        }
    ]
    assert action["arguments_digest"] == digest_of({"kind": "inspect", "arguments": action["arguments"]})
    (out,) = w.out.records
    (span,) = w.out.spans
    assert (out.topic, out.partition, out.key) == (f"{APP}.actions", 3, b"key")
    assert out.ce_id.decode() == action["proposal_id"]
    assert out.traceparent == f"00-{'a' * 32}-{span.span_id}-01".encode()
    assert (span.name, span.parent_id, span.attributes["rivergate.verdict"]) == ("gate inspect", "b" * 16, "allow")


def test_a_modified_action_has_the_rules_arguments() -> None:
    """A modify rule changes the arguments, the digest is that of the changed ones, and the verdict says so."""
    w = World().ready()
    ((_, action),) = w.send(w.proposal(50, hours=12))
    assert (action["verdict"], action["arguments"]["hours"]) == ("modify", 8)
    assert action["arguments_digest"] == digest_of({"kind": "inspect", "arguments": action["arguments"]})


def test_nothing_is_allowed_before_a_policy_is_in_force() -> None:
    """Without a policy every proposal is denied."""
    w = World()
    ((kind, denial),) = w.send(w.proposal())
    assert (kind, rules_of(denial), denial["policy_digest"]) == ("denial", ["no-policy"], "")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"arguments_digest": "0" * 64}, "wrong-digest"),
        ({"proposal_id": "0" * 32}, "wrong-id"),
        ({"app": "other"}, "wrong-id"),
        ({"ordinal": 1}, "wrong-id"),
        ({"ordinal": True}, "malformed"),
        ({"confidence": "high"}, "malformed"),
        ({"arguments": {"line": "l", "cost": "dear"}}, "arguments-invalid"),
        ({"arguments": {"line": "l", "cost": 3.0, "hours": 2, "more": 1}}, "arguments-invalid"),
        ({"expires_at": "tomorrow"}, "malformed"),
        ({"expires_at": 3}, "malformed"),
        ({"event": None}, "malformed"),
        ({"agent": 7}, "malformed"),
        ({"on_behalf_of": ["x"]}, "malformed"),
        ({"kind": "explode"}, "wrong-digest"),
        ({"note": "x" * 500_000}, "too-large"),
        ({"event": {"topic": "x" * 950_000, "partition": 0, "offset": 0}}, "too-large"),
        ({"event": {"topic": "t", "partition": -1, "offset": 0}}, "malformed"),
        ({"agent": "x" * 2000}, "malformed"),
        ({"on_behalf_of": ""}, "malformed"),
    ],
)
def test_what_is_not_as_it_says_is_denied(changes: dict[str, Any], rule: str) -> None:
    """A proposal that can be identified ends as a denial with a span, whatever else is wrong with it."""
    w = World().ready()
    ((kind, denial),) = w.send(w.proposal(**changes))
    assert (kind, rules_of(denial)) == ("denial", [rule])
    assert [s.attributes["rivergate.verdict"] for s in w.out.spans] == ["deny"]
    assert all(len(o.value or b"") < 10_000 for o in w.out.records)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"{}", b'{"proposal_id": 3}', b'{"proposal_id": "x"}', b"\xff", b"null"]
)
def test_what_has_no_id_is_a_dead_letter(raw: bytes) -> None:
    """A record without a proposal's id is skipped with a reason and leaves no span."""
    w = World().ready()
    assert w.send(w.record(names.PROPOSALS, names.PROPOSAL_V1, raw)) == []
    assert len(w.skipped) == 1
    assert w.out.spans == []


def test_an_unknown_record_type_is_a_dead_letter() -> None:
    """What the gate doesn't know it doesn't touch."""
    w = World().ready()
    assert w.send(w.record(names.PROPOSALS, "rivergate.wish.v1", {})) == []
    assert "rivergate.wish.v1" in w.skipped[0]


def test_a_repeated_proposal_is_dropped_and_counted() -> None:
    """The second record of an id that says the same does nothing, whether its review is open or it was acted on."""
    w = World().ready()
    for cost in (50, 140):
        w.send(w.proposal(cost, n=round(cost), door=True))
        assert w.send(w.proposal(cost, n=round(cost), door=True)) == []
    assert w.fold.state.counters["repeated_proposals"] == 2


def test_a_conflict_is_dropped_counted_and_traced() -> None:
    """Another digest under a judged id is never judged; its span is an error and not a verdict's."""
    w = World().ready()
    w.send(w.proposal(50))
    assert w.send(w.proposal(60)) == []
    assert w.fold.state.counters["conflicting_proposals"] == 1
    (span,) = w.out.spans
    assert span.error
    assert not span.name.startswith("gate ")


def test_a_late_proposal_of_a_stage_is_denied_as_expired() -> None:
    """A stage's proposal ends, even when it comes after its time."""
    w = World().ready().later(3600)
    ((kind, denial),) = w.send(w.proposal())
    assert (kind, rules_of(denial)) == ("denial", ["expired"])


def test_a_late_proposal_from_the_door_is_a_dead_letter() -> None:
    """The door may repeat itself, and after an hour nobody knows whether this was judged."""
    w = World().ready()
    w.send(w.proposal(door=True))
    w.later(3600)
    assert w.send(w.proposal(door=True)) == []
    assert "expires_at" in w.skipped[0]
    assert len(w.fold.state.judged) == 0


def test_without_expires_at_a_proposal_lives_for_an_hour() -> None:
    """The default life is one hour from when the gate read it."""
    w = World().ready()
    ((_, action),) = w.send(w.proposal(expires_at=None))
    assert action["expires_at"] == "2026-03-01T13:00:00.000000Z"


def test_a_forgotten_door_proposal_is_not_judged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bound on judged ids made the gate forget, the door's repeat goes to the dead letters."""
    w = World().ready()
    monkeypatch.setattr(w.fold.state.judged, "_limit", 2)
    for n in range(4):
        w.send(w.proposal(n=n, door=True, lives_s=60 + n))
    assert w.fold.state.judged.forgotten == 2
    assert w.send(w.proposal(n=0, door=True, lives_s=60)) == []
    assert len(w.skipped) == 1
    assert kinds_of(w.send(w.proposal(n=9, door=True, lives_s=90))) == ["action"]


def test_a_full_queue_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound on open reviews a proposal under review is denied, not lost and not allowed."""
    monkeypatch.setattr(proposals, "OPEN_REVIEWS", 1)
    w = World().ready()
    w.open_review()
    ((kind, denial),) = w.send(w.proposal(140, n=1))
    assert (kind, rules_of(denial)) == ("denial", ["review-queue-full", "costly-waits"])


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit("broken")])
def test_an_error_in_the_gate_is_a_denial(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """An exception while judging kills nothing and allows nothing; nor does a panic in what is written in Rust."""

    def broken(*_: object) -> None:
        raise error

    w = World().ready()
    monkeypatch.setattr(Judge, "judge", broken)
    ((kind, denial),) = w.send(w.proposal())
    assert (kind, rules_of(denial)) == ("denial", ["gate-error"])
    assert "broken" in denial["reason"]
    assert w.fold.state.counters["gate_errors"] == 1


def test_a_record_too_long_to_write_is_a_denial() -> None:
    """What would be longer than the log takes is denied instead."""
    w = World().ready()
    record = w.proposal(140)
    out = Outputs(limit_bytes=2 * len(record.value or b""))
    w.fold.fold(Batch(APP, names.GATE, 0, 9, w.clock, lambda: 7), [record], out)
    assert [o.ce_type for o in out.records] == [names.DENIAL_V1.encode()]
    assert w.fold.state.reviews == {}


def test_withdrawal_cancels_an_open_review_without_a_label() -> None:
    """The agent took it back: settled as cancelled with a denial; nothing is learnt from that."""
    w = World().ready()
    opened = w.open_review()
    withdrawal = {"proposal_id": opened["proposal_id"], "reason": "the line stopped"}
    said = w.send(w.record(names.PROPOSALS, names.WITHDRAWAL_V1, withdrawal))
    assert kinds_of(said) == ["denial", "review.settled"]
    assert said[1][1]["result"] == "cancelled"
    assert w.send(w.record(names.PROPOSALS, names.WITHDRAWAL_V1, withdrawal)) == []
    w.send(w.record(names.PROPOSALS, names.WITHDRAWAL_V1, b"{}"))
    assert len(w.skipped) == 1


@pytest.mark.parametrize("given", [None, 5, "it looks odd", {"text": "it looks odd"}])
def test_reasons_that_are_no_list_are_none(given: Any) -> None:
    """Whoever reads the review may count on a list."""
    assert World().ready().open_review(reasons=given)["reasons"] == []
    assert World().ready().open_review(reasons=["it looks odd"])["reasons"] == ["it looks odd"]


def test_what_is_written_fits_the_wire_contract() -> None:
    """Every record that the gate writes is one that readers' models accept."""
    w = World().ready()
    w.send(w.proposal(50), w.proposal(140, n=1), w.proposal(20_000, n=2), w.proposal(140, n=3))
    opened = [v for t, v in w.written if t == "review.opened"]
    w.send(w.edit(opened[0], cost=150.0), w.decision(opened[1], name="d2"))
    amended = next(v for t, v in w.written if t == "review.amended")
    w.send(w.decision(amended, "approve", "reviewer-2"), w.outcome(opened[1]["proposal_id"], label=True))
    assert {t for t, _ in w.written} == {
        *("action", "denial", "review.opened", "review.amended", "review.settled", "review.decision_judged"),
        *("label", "control_applied"),
    }
    for t, value in w.written:
        wire.WIRE_MODELS[f"rivergate.{t}.v1"].model_validate(value)
