"""The learning agents: a model of River's, labels that come late, one event in ten proposing."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.by_hand import PROPOSING, adaptive_tree, logistic_regression
from tests.benchmarks.world import Inspect, Lesson, LiveReading

from rivergate.agents import Agent, Context
from rivergate.domain.event import Label


class Learner(Agent):
    """Predicts, remembers, proposes; learns when the label comes."""

    name = "learning"
    consumes = (Lesson,)
    proposes = (Inspect,)

    def __init__(self) -> None:
        self.model = self.new_model()
        self.learned = 0

    def new_model(self) -> Any:
        """Nine weights."""
        return logistic_regression()

    def on_event(self, event: Lesson | LiveReading, ctx: Context) -> None:
        """Predict, remember, and propose for one in ten."""
        trouble = self.model.predict_proba_one(event.sensors).get(True, 0.0)
        ctx.remember(event, features=event.sensors, prediction=trouble > 0.5)
        if event.n % PROPOSING == 0:
            ctx.propose(Inspect(line=event.line, n=event.n), confidence=trouble, reasons=("one in ten",))

    def on_label(self, label: Label, ctx: Context) -> None:
        """Learn on the features of then."""
        self.model.learn_one(label.features, label.value)
        self.learned += 1


class Grower(Learner):
    """Predicts, remembers and learns with a tree that grows; it never does propose, so that the model is what takes long."""

    name = "growing"
    consumes = (LiveReading,)
    proposes = (Inspect,)

    def new_model(self) -> Any:
        """Some ten times as expensive."""
        return adaptive_tree()

    def on_event(self, event: Lesson | LiveReading, ctx: Context) -> None:
        """Predict and remember."""
        trouble = self.model.predict_proba_one(event.sensors).get(True, 0.0)
        ctx.remember(event, features=event.sensors, prediction=trouble > 0.5)
