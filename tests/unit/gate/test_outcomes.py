from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gate.world import REVIEW_SERVICE, STRANGER, World, kinds_of

from rivergate.domain import names
from rivergate.domain.signing import SigningKey
from rivergate.gate import state

P, Q, R = "a" * 32, "b" * 32, "c" * 32


def intent(w: World, pid: str = P) -> Any:
    """An intent of effects."""
    return w.record(names.OUTCOMES, names.INTENT_V1, {"proposal_id": pid, "attempt": 1, "not_after": ""})


def resolution(w: World, key: SigningKey = REVIEW_SERVICE, **changes: Any) -> Any:
    """What a person says of an unknown end."""
    value = {"proposal_id": P, "status": "done", "by": "reviewer-1", "note": "I looked"} | changes
    return w.record(names.DECISIONS, names.RESOLUTION_V1, key.sign(value))


def test_what_an_effector_learnt_becomes_a_label() -> None:
    """An outcome with a label gives a label about the event, into the outcome's partition."""
    w = World().ready()
    ((kind, label),) = w.send(intent(w), w.outcome(P, label=False))
    assert kind == "label"
    assert (label["value"], label["source"], label["proposal_id"]) == (False, "outcome", P)
    assert label["event"] == {"topic": "telemetry", "partition": 3, "offset": 0}
    assert w.out.records[0].partition == 3
    assert w.fold.state.in_flight == {}


def test_without_a_label_nothing_is_said() -> None:
    """Done, failed and refused outcomes close the book and teach nothing."""
    w = World().ready()
    assert w.send(intent(w), w.outcome(P), w.outcome(Q, "refused"), w.outcome(R, label=None)) == []
    assert w.fold.state.in_flight == {}


def test_a_person_resolves_an_unknown_end_once() -> None:
    """The gate writes the final outcome; a second resolution finds nothing unknown."""
    w = World().ready()
    w.send(intent(w), w.outcome(P, "unknown"))
    ((kind, outcome),) = w.send(resolution(w, status="failed", effect="partial"))
    assert kind == "outcome"
    assert (outcome["status"], outcome["effect"], outcome["resolved_by"]) == ("failed", "partial", "reviewer-1")
    assert outcome["event_id"] == "telemetry/3/0"
    assert w.send(resolution(w)) == []
    assert "unknown outcome" in w.skipped[0]


@pytest.mark.parametrize(
    "changes",
    [{"key": STRANGER}, {"proposal_id": Q}, {"status": "unknown"}, {"effect": "some"}, {"by": ""}],
)
def test_a_wrong_resolution_is_a_dead_letter(changes: dict[str, Any]) -> None:
    """Nothing is written for what can't be accepted; the reason goes with it."""
    w = World().ready()
    w.send(intent(w), intent(w, Q), w.outcome(P, "unknown"))
    assert w.send(resolution(w, **changes)) == []
    assert len(w.skipped) == 1
    assert kinds_of(w.send(resolution(w))) == ["outcome"]


def test_an_unknown_end_without_an_intent_cannot_be_resolved() -> None:
    """Without an intent there is no deed that could have happened."""
    w = World().ready()
    w.send(w.outcome(P, "unknown"))
    assert w.send(resolution(w)) == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"proposal_id": "%s", "status": "done"}' % P.encode()])
def test_malformed_outcomes_are_dead_letters(raw: bytes) -> None:
    """What isn't an outcome, an intent or a resolution goes to the dead letters."""
    w = World().ready()
    assert w.send(w.record(names.OUTCOMES, names.OUTCOME_V1, raw)) == []
    assert len(w.skipped) == 1


def test_malformed_intents_and_resolutions_are_dead_letters() -> None:
    """Likewise for the other two."""
    w = World().ready()
    w.send(w.record(names.OUTCOMES, names.INTENT_V1, b"{}"), w.record(names.DECISIONS, names.RESOLUTION_V1, b"x"))
    assert len(w.skipped) == 2


def test_actions_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest fall out and are counted."""
    monkeypatch.setattr(state, "IN_FLIGHT", 2)
    w = World().ready()
    w.send(*(intent(w, f"{i:032x}") for i in range(5)))
    assert list(w.fold.state.in_flight) == [f"{3:032x}", f"{4:032x}"]
    assert w.fold.state.counters["forgotten_actions"] == 3
