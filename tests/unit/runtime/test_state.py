"""What is told of a shard's state, and what an agent would have done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import SECOND
from rivergate.domain.errors import BadInput
from rivergate.domain.event import Event, Label, Proposal
from rivergate.domain.record import Record
from rivergate.learning import Prequential
from rivergate.ports import Batch, Outputs
from rivergate.runtime.app import App
from rivergate.runtime.replay.prediction import predict
from rivergate.runtime.replay.state_report import state_report

START = 1_900_000_000 * SECOND


class Heat(Event, topic="heat", key="line"):
    line: str
    degrees: float


class Pause(Event, topic="pause", key="line"):
    line: str


class Cool(Proposal):
    line: str


class Alarm(Event, topic="alarms", key="line"):
    line: str


class Thermostat(Agent):
    """Proposes to cool what is hotter than the hottest so far, and says why."""

    consumes = (Heat, Pause)
    proposes = (Cool,)
    publishes = (Alarm,)

    def __init__(self) -> None:
        self.hottest = 50.0
        self.figures = Prequential()

    def on_event(self, event: Heat | Pause, ctx: Context) -> None:
        if isinstance(event, Pause):
            ctx.set_timer("resume", timedelta(minutes=5))
            return
        if event.degrees < -273:
            raise ValueError("colder than cold")
        ctx.keyed(event.line)["last"] = event.degrees
        hot = event.degrees > self.hottest
        self.hottest = max(self.hottest, event.degrees)
        ctx.remember(event, features={"degrees": event.degrees}, prediction=hot)
        if hot:
            ctx.propose(Cool(line=event.line), confidence=0.75, reasons=["hotter than ever"])
            ctx.publish(Alarm(line=event.line))
            ctx.send("chief", {"line": event.line})

    def on_label(self, label: Label, ctx: Context) -> None:
        self.figures.update(label.value, label.prediction)


APP = App("plant", [Thermostat], Path("policy.yaml"))
STAGE = "agent-thermostat"


def lived() -> AgentFold:
    """Two readings, one of them labelled, and a pause."""
    fold = AgentFold("plant", Thermostat)
    records = [
        Record("heat", 0, 0, b"a", b'{"line": "a", "degrees": 40}', [("ce_type", b"heat")]),
        Record("heat", 0, 1, b"b", b'{"line": "b", "degrees": 60}', [("ce_type", b"heat")]),
        Record("pause", 0, 0, b"b", b'{"line": "b"}', [("ce_type", b"pause")]),
        Record("plant.labels", 0, 0, None, b'{"event_id": "heat/0/1", "value": true}', None),
    ]
    fold.fold(batch(START), records, Outputs())
    return fold


def batch(clock: int) -> Batch:
    """The circumstances."""
    return Batch("plant", STAGE, 0, 0, clock, lambda: 0)


def test_the_report_tells_attributes_memory_timers_and_bounds() -> None:
    """Figures stand beside their baseline, ages are by the shard's clock."""
    found = state_report(lived(), START + 90 * SECOND)
    assert found["attributes"]["hottest"] == {"type": "float", "value": 60.0}
    assert found["attributes"]["figures"]["figures"]["labels"] == 1
    assert "baseline_accuracy" in found["attributes"]["figures"]["figures"]
    memory = found["memory"]
    assert (memory["waiting"], memory["labelled"], memory["oldest_s"], memory["limit"]) == (1, 1, 90.0, 50_000)
    assert (found["keyed"]["entries"], found["keyed"]["oldest_s"], found["keyed"]["limit"]) == (2, 90.0, 10_000)
    assert found["timers"]["pending"] == 1
    assert found["timers"]["next"][0]["name"] == "resume"
    assert len(found["digest"]) == 64


def test_a_prediction_shows_what_it_would_have_done_and_changes_nothing() -> None:
    """Proposals with reasons, events, messages, and what it would have remembered: on a copy."""
    fold = lived()
    before = fold.digest()
    found = predict(APP, fold, batch(START), '{"line": "c", "degrees": 99}', "Heat")
    [proposal] = found["proposals"]
    assert (proposal["kind"], proposal["arguments"], proposal["confidence"]) == ("cool", {"line": "c"}, 0.75)
    assert proposal["reasons"] == [{"text": "hotter than ever"}]
    assert found["published"] == [{"topic": "alarms", "type": "alarm", "value": {"line": "c"}}]
    assert found["messages"][0]["to"] == "chief"
    assert found["remembered"] == {"prediction": True, "features": {"degrees": 99.0}}
    assert fold.digest() == before


def test_a_prediction_may_be_that_nothing_is_done() -> None:
    """The remembered prediction is told all the same."""
    found = predict(APP, lived(), batch(START), '{"line": "c", "degrees": 55}', "Heat")
    assert (found["proposals"], found["remembered"]["prediction"]) == ([], False)


@pytest.mark.parametrize(
    ("text", "event_class", "says"),
    [
        ('{"line": "c", "degrees": 1}', None, "which event"),
        ('{"line": "c", "degrees": 1}', "Cold", "doesn't consume Cold"),
        ('{"line": "c"}', "Heat", "no Heat"),
        ("{", "Heat", "no Heat"),
        ('{"line": "c", "degrees": -300}', "Heat", "fails on it: ValueError: colder than cold"),
    ],
)
def test_what_is_no_event_of_the_agent_is_refused(text: str, event_class: str | None, says: str) -> None:
    """Each with the remedy."""
    with pytest.raises(BadInput, match=says) as refused:
        predict(APP, lived(), batch(START), text, event_class)
    assert refused.value.remedy
