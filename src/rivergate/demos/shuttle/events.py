"""What the demo's machines say, what its agent wants, and what it tells about itself."""

from __future__ import annotations

from pydantic import Field, FiniteFloat

from rivergate.domain.event import Event, Proposal

FIGURES_EVERY = 50
"""Labels between two events with figures of a shard."""


class Reading(Event, topic="{app}-telemetry", key="machine", type="shuttle.reading"):
    """Nine sensors of one machine at one moment."""

    machine: str
    sensors: dict[str, FiniteFloat] = Field(min_length=1)


class Inspect(Proposal):
    """Send somebody to look: cheap."""

    machine: str
    minutes: int = Field(description="how long the inspection may take")


class ShutDown(Proposal):
    """Stop the machine: costly."""

    machine: str
    minutes: int = Field(description="how long the machine would stand")


class ShardFigures(Event, topic="{app}-figures", key="shard", type="shuttle.figures"):
    """How good one shard's predictions were so far: counts by label and prediction, and the baseline's."""

    shard: str
    true_alarms: int
    missed: int
    false_alarms: int
    true_quiet: int
    baseline_labels: int
    baseline_correct: int
