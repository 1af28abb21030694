"""The plan: which processes an app consists of, and which shards each of them gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rivergate.domain import names
from rivergate.runtime.declaration import Declaration

REVIEW, AUDIT, OTLP = "review", "audit", "otlp"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one process. `shards` is empty for services, which have no journal."""

    name: str
    role: str
    stage: str
    shards: tuple[int, ...] = ()

    @property
    def under_ray(self) -> bool:
        """Whether Ray may host it: agents and graphs alone."""
        return self.role in ("agent", "graph")


def plan(app: Declaration, workers: int, *, otlp: bool = False, only: Iterable[str] = ()) -> list[Slot]:
    """All slots of an app with `workers` processes for each agent; `only` keeps the stages that it names."""
    slots = []
    for role, stages in (("agent", app.agents), ("graph", app.graphs)):
        for stage in stages:
            slots += _spread(role, stage, app.partitions, workers)
    slots += _spread("gate", names.GATE, 1, 1)
    if app.effectors:
        slots += _spread("effects", names.EFFECTS, app.partitions, 1)
    slots += [Slot(s, s, s) for s in (REVIEW, AUDIT, *((OTLP,) if otlp else ()))]
    wanted = set(only)
    return [s for s in slots if not wanted or s.stage in wanted]


def _spread(role: str, stage: str, shards: int, workers: int) -> list[Slot]:
    workers = min(workers, shards)
    return [Slot(f"{stage}-{i}", role, stage, tuple(range(i, shards, workers))) for i in range(workers)]
