"""The unit tests' graph in an app of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rivergate.adapters.graphs import GraphAgent
from rivergate.domain.event import Event, Proposal
from rivergate.runtime.app import App

HERE = Path(__file__).parent


class Alarm(Event, topic="{app}-alarms", key="machine"):
    """A machine complains."""

    machine: str


class Restart(Proposal):
    """Restart a machine."""

    machine: str


def build(model: Any, tools: Any) -> Any:
    """The usual loop: the model calls tools until it has an answer."""
    from tests.unit.adapters.graph_world import build as built

    return built(model, tools)


def model() -> Any:
    """A stand-in: tests have no network."""
    from rivergate.adapters.graphs.stand_in import OfflineStandInModel

    return OfflineStandInModel()


def app() -> App:
    """As `AppRef` names it."""
    return App(
        name="triage",
        agents=[],
        graphs=[
            GraphAgent(
                "triage",
                build,
                model,
                consumes=[Alarm],
                proposes=[Restart],
                prompt=lambda alarm: {"messages": [("user", f"restart {alarm.model_dump_json()}")]},
            )
        ],
        policy=HERE / "policy.yaml",
        effectors={"restart": "rivergate.effects:work_orders"},
        topics=[HERE / "topics"],
    )
