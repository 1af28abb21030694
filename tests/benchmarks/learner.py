"""The learning agent: River's logistic regression, labels that come late, one event in ten proposing."""

from __future__ import annotations

from river.linear_model import LogisticRegression
from river.preprocessing import StandardScaler
from tests.benchmarks.world import PROPOSING, Inspect, Lesson

from rivergate.agents import Agent, Context
from rivergate.domain.event import Label


class Learner(Agent):
    """Predicts, remembers, proposes; learns when the label comes."""

    name = "learning"
    consumes = (Lesson,)
    proposes = (Inspect,)

    def __init__(self) -> None:
        self.model = StandardScaler() | LogisticRegression()
        self.learned = 0

    def on_event(self, event: Lesson, ctx: Context) -> None:
        """Predict, remember, and propose for one in ten."""
        trouble = self.model.predict_proba_one(event.sensors).get(True, 0.0)
        ctx.remember(event, features=event.sensors, prediction=trouble > 0.5)
        if event.n % PROPOSING == 0:
            ctx.propose(Inspect(line=event.line, n=event.n), confidence=trouble, reasons=("one in ten",))

    def on_label(self, label: Label, ctx: Context) -> None:
        """Learn on the features of then."""
        self.model.learn_one(label.features, label.value)
        self.learned += 1
