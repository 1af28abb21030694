"""Every model that the docs recommend, in an agent: what a run of it comes to. Imported by tests and by other processes."""

from __future__ import annotations

import itertools
import json
import pickle
import sys
from typing import Any, ClassVar

import orjson
from river.anomaly import HalfSpaceTrees
from river.datasets import Shuttle
from river.linear_model import LogisticRegression
from river.naive_bayes import GaussianNB
from river.preprocessing import MinMaxScaler, StandardScaler
from river.tree import HoeffdingAdaptiveTreeClassifier, HoeffdingTreeClassifier

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.event import Event, Label, Proposal
from rivergate.domain.record import Record
from rivergate.learning import Prequential
from rivergate.ports import Batch, Outputs

READINGS, LATE, BATCH = 1200, 40, 60


class Reading(Event, topic="readings", key="machine"):
    machine: str
    sensors: dict[str, float]


class Flag(Proposal):
    score: float


class Learner(Agent):
    consumes = (Reading,)
    proposes = (Flag,)
    model: Any = None

    def __init__(self) -> None:
        self.figures = Prequential()

    def score(self, sensors: dict[str, float]) -> float:
        found: float = self.model.predict_proba_one(sensors).get(True, 0.0)
        return found

    def learn(self, label: Label) -> None:
        self.model.learn_one(label.features, label.value)

    def on_event(self, event: Reading, ctx: Context) -> None:
        score = self.score(event.sensors)
        ctx.remember(event, features=event.sensors, prediction=score > 0.5)
        if score > 0.5:
            ctx.propose(Flag(score=score), confidence=min(score, 1.0))

    def on_label(self, label: Label, ctx: Context) -> None:
        self.figures.update(label.value, label.prediction)
        self.learn(label)


class Linear(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.model = StandardScaler() | LogisticRegression()


class Tree(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.model = HoeffdingTreeClassifier(grace_period=50)


class AdaptiveTree(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.model = HoeffdingAdaptiveTreeClassifier(grace_period=50, seed=1)


class Bayes(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.model = GaussianNB()


class Anomaly(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.model = MinMaxScaler() | HalfSpaceTrees(n_trees=10, height=6, window_size=100, seed=1)

    def score(self, sensors: dict[str, float]) -> float:
        found: float = self.model.score_one(sensors)
        return found

    def learn(self, label: Label) -> None:
        self.model.learn_one(label.features)


class Models:
    """All of them by name."""

    ALL: ClassVar[dict[str, type[Learner]]] = {a.__name__: a for a in (Linear, Tree, AdaptiveTree, Bayes, Anomaly)}


def records() -> list[Record]:
    """Readings, and the label of each some readings later."""
    rows = list(itertools.islice(Shuttle(), READINGS))
    found: list[Record] = []
    for n, (sensors, _) in enumerate(rows):
        value = orjson.dumps({"machine": "m", "sensors": sensors})
        found.append(Record("readings", 0, n, b"m", value, [("ce_id", b"%d" % n), ("ce_source", b"/s")]))
        if n >= LATE:
            label = {"event_id": f"/s#{n - LATE}", "value": bool(rows[n - LATE][1]), "source": "topic"}
            found.append(Record("app.labels", 0, n, b"m", orjson.dumps(label), []))
    return found


def run(agent: type[Agent], restore_every: int = 0, model: bytes = b"") -> tuple[str, list[bytes], float]:
    """Digest of the state, the outputs and the accuracy after all records, with restores between batches if wanted; where
    there is a model, it is adopted first.
    """
    fold = AgentFold("app", agent)
    if model:
        fold.adopt(model)
    outputs: list[bytes] = []
    everything = records()
    for seq, start in enumerate(range(0, len(everything), BATCH)):
        if restore_every and seq % restore_every == 1:
            state = fold.dump()
            fold = AgentFold("app", agent)
            fold.load(state)
        out = Outputs()
        batch = Batch("app", f"agent-{agent.name}", 0, seq, 1_700_000_000_000_000 + seq, lambda: 0)
        fold.fold(batch, everything[start : start + BATCH], out)
        outputs += [o.value or b"" for o in out.records]
    figures: Prequential = fold.state.agent.figures  # type: ignore[attr-defined]
    return fold.digest(), outputs, figures.figures().balanced_accuracy


def trained(agent: type[Learner]) -> bytes:
    """A model that has learnt outside of any agent, as a notebook pickles it."""
    learner = agent()
    for sensors, label in itertools.islice(Shuttle(), READINGS, READINGS + READINGS // 2):
        learner.learn(Label(event_id="", value=label, source="topic", features=sensors))
    return pickle.dumps(learner.model)


def main() -> None:
    """Print what every model comes to in this process, begun anew and adopted."""
    runs = {name: run(agent) for name, agent in Models.ALL.items()}
    runs |= {f"adopted {name}": run(agent, 0, trained(agent)) for name, agent in Models.ALL.items()}
    json.dump(
        {name: [digest, [o.decode() for o in outputs]] for name, (digest, outputs, _) in runs.items()}, sys.stdout
    )
