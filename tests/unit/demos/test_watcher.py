from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import cache

import orjson
import pytest

from rivergate.agents.fold import AgentFold
from rivergate.demos.shuttle.app import make_app
from rivergate.demos.shuttle.events import Inspect, Reading, ShardFigures, ShutDown
from rivergate.demos.shuttle.plan import SOURCE, Plan, Telling, event_id, reading_id
from rivergate.demos.shuttle.telemetry import ShuttleTelemetry
from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.domain.event import Proposal
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import Output, Record
from rivergate.learning import Figures, Prequential
from rivergate.ports import Batch, Outputs
from rivergate.testing import AgentTest
from rivergate.topics.catalogue import Catalogue

PARTITIONS, EVENTS = 4, 3000


@cache
def played() -> tuple[Figures, list[Output], int]:
    """Figures, outputs and skipped records of all shards after a plan with late labels."""
    queues: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for n, step in enumerate(Plan(0, PARTITIONS, 0, EVENTS).steps(ShuttleTelemetry())):
        partition = partition_of(step.machine.encode(), PARTITIONS)
        if isinstance(step, Telling):
            headers = [("ce_id", reading_id(step.number).encode()), ("ce_source", SOURCE.encode())]
            value = orjson.dumps(step.value)
            queues[partition].append(Record("shuttle-telemetry", partition, n, b"", value, headers))
        else:
            label = orjson.dumps({"event_id": event_id(step.number), "value": step.value})
            queues[partition].append(Record("shuttle.labels", partition, n, b"", label, []))
    folds = [AgentFold("shuttle", ShuttleWatcher) for _ in queues]
    outputs: list[Output] = []
    skipped = 0
    for fold, queue in zip(folds, queues, strict=True):
        out = Outputs()
        fold.fold(Batch("shuttle", "agent-watcher", 0, 0, 1_700_000_000_000_000, lambda: 0), queue, out)
        outputs += out.records
        skipped += len(out.skipped)
    agents = [fold.state.agent for fold in folds]
    figures = Prequential.merged(a.figures for a in agents if isinstance(a, ShuttleWatcher))
    return figures.figures(), outputs, skipped


def test_it_learns_with_late_labels() -> None:
    """Four shards of their own, labels up to 160 readings late: far above the demanded figure and the baseline."""
    figures = played()[0]
    assert figures.balanced_accuracy > 0.9
    assert figures.accuracy > figures.baseline_accuracy + 0.05


def test_it_proposes_for_a_small_share_of_readings() -> None:
    """Both kinds occur, a shutdown seldom; reasons sum to what the confidence says; garbled readings are set aside."""
    _, outputs, skipped = played()
    proposals = [orjson.loads(o.value or b"") for o in outputs if o.topic == "shuttle.proposals"]
    kinds = Counter(p["kind"] for p in proposals)
    assert 0.05 < len(proposals) / EVENTS < 0.12
    assert 0 < kinds["shut_down"] < kinds["inspect"] / 4
    assert all(len(p["reasons"]) == 10 for p in proposals)
    assert skipped > 0


def test_its_figures_are_published() -> None:
    """Every fifty labels a shard tells its counts, which add up."""
    told = [ShardFigures.model_validate_json(o.value or b"") for o in played()[1] if o.topic == "shuttle-figures"]
    assert told
    for f in told:
        assert (f.true_alarms + f.missed + f.false_alarms + f.true_quiet) % 50 == 0


def anxious(t: AgentTest[ShuttleWatcher]) -> dict[str, float]:
    """Teach the agent what trouble looks like, and return such sensors."""
    quiet, trouble = {"f1": 0.0}, {"f1": 10.0}
    for n in range(300):
        event = t.send(Reading(machine="teacher", sensors=trouble if n % 2 else quiet))
        t.label(event, bool(n % 2))
    return {"f1": 30.0}


def test_nobody_is_asked_twice_about_the_same_machine() -> None:
    """One alarm asks for a look, the next to stop; within two minutes nobody is asked to stop it again."""
    with AgentTest(ShuttleWatcher) as t:
        trouble = anxious(t)
        before = len(t.proposals)

        def next_proposal(machine: str) -> type[Proposal]:
            t.send(Reading(machine=machine, sensors=trouble))
            return type(t.proposals[-1])

        assert [next_proposal("press-1") for _ in range(4)] == [Inspect, ShutDown, Inspect, Inspect]
        assert next_proposal("press-2") is Inspect
        t.advance(timedelta(minutes=3))
        assert next_proposal("press-1") is ShutDown
        assert len(t.proposals) == before + 6


@pytest.mark.parametrize("sensors", [{}, {"f1": "E-42"}, {"f1": None}])
def test_garbled_readings_are_set_aside(sensors: dict[str, object]) -> None:
    """A reading without numbers never reaches the model."""
    with AgentTest(ShuttleWatcher) as t:
        t.send_raw(Reading, {"machine": "press-1", "sensors": sensors})
        assert len(t.dead_letters) == 1
        assert t.agent.figures.labels == 0


def test_the_apps_parts_fit() -> None:
    """Under any name the topics that the agent uses are declared by the demo's topic files."""
    app = make_app("plant", 3)
    specs = Catalogue.for_app(app.name, app.partitions, app.stages, app.topics, used=app.events)
    assert {s.name: s.partitions for s in specs if not s.system} == {"plant-telemetry": 3, "plant-figures": 3}
    assert set(app.effectors) == set(app.proposals) == {"inspect", "shut_down"}
