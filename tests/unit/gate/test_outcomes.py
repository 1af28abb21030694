from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gate.world import APP, OPERATOR, STRANGER, P, World, kinds_of

from rivergate.domain import names
from rivergate.gate import state
from rivergate.gate.fold import GateFold

Q, R = "b" * 32, "c" * 32


def test_what_an_effector_learnt_becomes_a_label() -> None:
    """An outcome with a label gives a label about the event, into the outcome's partition."""
    w = World().ready()
    ((kind, label),) = w.send(w.intent(), w.outcome(P, label=False))
    assert kind == "label"
    assert (label["value"], label["source"], label["proposal_id"]) == (False, "outcome", P)
    assert label["event"] == {"topic": "telemetry", "partition": 3, "offset": 0}
    assert w.out.records[0].partition == 3
    assert w.fold.state.in_flight == {}


def test_without_a_label_nothing_is_said() -> None:
    """Done, failed and refused outcomes close the book and teach nothing."""
    w = World().ready()
    assert w.send(w.intent(), w.outcome(P), w.outcome(Q, "refused"), w.outcome(R, label=None)) == []
    assert w.fold.state.in_flight == {}


def test_a_person_resolves_an_unknown_end_once() -> None:
    """The gate writes the final outcome; a second resolution finds nothing unknown."""
    w = World().ready()
    w.send(w.intent(), w.outcome(P, "unknown"))
    ((kind, outcome),) = w.send(w.resolution(status="failed", effect="partial"))
    assert kind == "outcome"
    assert (outcome["status"], outcome["effect"], outcome["resolved_by"]) == ("failed", "partial", "reviewer-1")
    assert outcome["event_id"] == "telemetry/3/0"
    assert w.send(w.resolution()) == []
    assert "unknown outcome" in w.skipped[0]


@pytest.mark.parametrize(
    "changes",
    [{"key": STRANGER}, {"proposal_id": "Q"}, {"status": "unknown"}, {"effect": "some"}, {"by": ""}],
)
def test_a_wrong_resolution_is_a_dead_letter(changes: dict[str, Any]) -> None:
    """Nothing is written for what can't be accepted; the reason goes with it."""
    w = World().ready()
    w.send(w.intent(), w.outcome(P, "unknown"))
    assert w.send(w.resolution(**changes)) == []
    assert len(w.skipped) == 1
    assert kinds_of(w.send(w.resolution())) == ["outcome"]


def test_an_unknown_end_without_an_intent_cannot_be_resolved() -> None:
    """Without an intent there is no deed that could have happened."""
    w = World().ready()
    w.send(w.outcome(P, "unknown"))
    assert w.send(w.resolution()) == []
    assert "unknown outcome" in w.skipped[0]


def early(w: World, order: str) -> list[str]:
    """What is written of an action where the gate reads (r)esolution, (i)ntent, (u)nknown and (d)one in this order."""
    records = {"r": w.resolution(), "i": w.intent(), "u": w.outcome(P, "unknown"), "d": w.outcome(P)}
    return [v["status"] for step in order for _, v in w.send(records[step])]


@pytest.mark.parametrize("order", ["riu", "iru"])
def test_a_resolution_waits_for_the_unknown_end_that_a_person_saw_first(order: str) -> None:
    """Nothing says which topic the gate reads first; a restart in between changes nothing."""
    w = World().ready()
    assert early(w, order[:2]) == []
    assert w.skipped == []
    restarted = World(GateFold(APP, OPERATOR.public), seq=w.seq)
    restarted.fold.load(w.fold.dump())
    ((kind, outcome),) = restarted.send(restarted.outcome(P, "unknown"))
    assert kind == "outcome"
    assert (outcome["status"], outcome["detail"], outcome["resolved_by"]) == ("done", "I looked", "reviewer-1")
    assert restarted.fold.state.in_flight == {}
    assert restarted.send(restarted.resolution(by="reviewer-2")) == []
    assert "unknown outcome" in restarted.skipped[0]


@pytest.mark.parametrize("order", ["rid", "ird", "rd", "ru"])
def test_a_resolution_that_was_overtaken_is_dropped_and_counted(order: str) -> None:
    """Another final outcome binds; without an intent there is nothing to resolve."""
    w = World().ready()
    assert early(w, order) == []
    assert w.fold.state.in_flight == {}
    assert w.fold.state.counters["overtaken_resolutions"] == 1


def test_of_two_early_resolutions_the_first_binds() -> None:
    """The second goes to the dead letters."""
    w = World().ready()
    w.send(w.intent(), w.resolution(), w.resolution(status="failed"))
    assert "came before" in w.skipped[0]
    assert [v["status"] for _, v in w.send(w.outcome(P, "unknown"))] == ["done"]


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
    w.send(*(w.intent(f"{i:032x}") for i in range(5)))
    assert list(w.fold.state.in_flight) == [f"{3:032x}", f"{4:032x}"]
    assert w.fold.state.counters["forgotten_actions"] == 3
