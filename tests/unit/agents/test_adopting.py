"""What an agent takes over unless it says otherwise, and what it says to what it can't."""

from __future__ import annotations

from typing import Any

import pytest
from river.linear_model import LogisticRegression
from river.naive_bayes import GaussianNB
from river.preprocessing import MinMaxScaler, StandardScaler

from rivergate.agents import Agent, Context
from rivergate.agents.adopting import make_of
from rivergate.domain.errors import BadInput
from rivergate.domain.event import Event
from rivergate.testing import AgentTest


class Heat(Event, topic="heat"):
    degrees: float


class Told(Event, topic="told"):
    p: float


class Thermostat(Agent):
    consumes = (Heat,)
    publishes = (Told,)

    def __init__(self) -> None:
        self.model = StandardScaler() | LogisticRegression()
        self.seen = 0

    def on_event(self, event: Heat, ctx: Context) -> None:
        self.seen += 1
        ctx.publish(Told(p=self.model.predict_proba_one({"degrees": event.degrees}).get(True, 0.0)))
        self.model.learn_one({"degrees": event.degrees}, event.degrees > 50)


class Modest(Agent):
    """Has its model elsewhere, and says so."""

    consumes = (Heat,)

    def __init__(self) -> None:
        self.bayes = GaussianNB()

    def adopt(self, model: Any) -> None:
        if not isinstance(model, GaussianNB):
            raise BadInput("only Bayes will do", remedy="train one")
        self.bayes = model


class Ruled(Agent):
    """Learns nothing."""

    consumes = (Heat,)


def trained() -> Any:
    """A model that knows what is hot."""
    model = StandardScaler() | LogisticRegression()
    for degrees in (20.0, 90.0) * 50:
        model.learn_one({"degrees": degrees}, degrees > 50)
    return model


def test_a_model_of_the_same_make_becomes_the_agents() -> None:
    """A copy of it: what the agent learns stays the agent's. Replays and restores from the kit's own checks hold."""
    model = trained()
    expected = model.predict_proba_one({"degrees": 80.0})[True]
    with AgentTest(Thermostat, model=model, restore=True) as t:
        t.send(Heat(degrees=80.0))
        t.send(Heat(degrees=10.0))
        assert t.published[0] == Told(p=expected)
        assert t.agent.seen == 2
    assert model.predict_proba_one({"degrees": 80.0})[True] == expected


def test_an_agent_of_the_same_class_gives_all_it_has() -> None:
    """Its attributes, figures and counts included."""
    elder = Thermostat()
    elder.model, elder.seen = trained(), 7
    with AgentTest(Thermostat, model=elder) as t:
        t.send(Heat(degrees=80.0))
        assert t.agent.seen == 8
    assert elder.seen == 7


def test_an_agent_may_say_itself_what_it_takes_over() -> None:
    """By writing `adopt`."""
    bayes = GaussianNB()
    assert isinstance(AgentTest(Modest, model=bayes).agent.bayes, GaussianNB)
    with pytest.raises(BadInput, match="only Bayes will do"):
        AgentTest(Modest, model=trained())


SCALED = "river.preprocessing.scale.{}Scaler | river.linear_model.log_reg.LogisticRegression"
BAYES = "river.naive_bayes.gaussian.GaussianNB"


@pytest.mark.parametrize(
    ("agent", "model", "wanted", "given"),
    [
        (Thermostat, MinMaxScaler() | LogisticRegression(), f"{SCALED.format('Standard')} or a Thermostat", "MinMax"),
        (Thermostat, GaussianNB(), f"{SCALED.format('Standard')} or a Thermostat", BAYES),
        (Ruled, GaussianNB(), "a Ruled", BAYES),
    ],
)
def test_what_is_of_another_make_is_refused(agent: type[Agent], model: Any, wanted: str, given: str) -> None:
    """With what was expected, what was given, and what to do."""
    with pytest.raises(BadInput) as refused:
        AgentTest(agent, model=model)
    given = SCALED.format(given) if given == "MinMax" else given
    assert refused.value.what == f"agent {agent.__name__} can take over {wanted}, and was given {given}"
    assert f"write `def adopt(self, model)` in {agent.__name__}" in refused.value.remedy


def test_the_make_of_a_pipeline_is_that_of_its_steps() -> None:
    """Whatever they have learnt."""
    assert make_of(trained()) == make_of(StandardScaler() | LogisticRegression())
    assert make_of(3) == "builtins.int"
