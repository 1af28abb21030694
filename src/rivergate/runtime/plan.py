"""The plan: which processes an app consists of, and which shards each of them gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rivergate.domain import names
from rivergate.runtime.declaration import Declaration

REVIEW, AUDIT, OTLP = "review", "audit", "otlp"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one process. `shards` is empty for services, which have no journal, and for a stage's spares."""

    name: str
    role: str
    stage: str
    shards: tuple[int, ...] = ()

    @property
    def under_ray(self) -> bool:
        """Whether Ray may host it: agents and graphs alone."""
        return self.role in ("agent", "graph")

    @property
    def is_service(self) -> bool:
        """Whether it has no shards by nature."""
        return self.role in (REVIEW, AUDIT, OTLP)

    @property
    def is_spare(self) -> bool:
        """Whether it waits for the shards of another one of its stage."""
        return not self.shards and not self.is_service

    @property
    def comes_last(self) -> bool:
        """Whether nobody waits for it at a start: spares, and what copies the log's spans elsewhere."""
        return self.is_spare or self.role in (AUDIT, OTLP)


def plan(
    app: Declaration, workers: int, *, spares: int = 0, otlp: bool = False, only: Iterable[str] = ()
) -> list[Slot]:
    """All slots of an app: `workers` processes for each agent or graph, `spares` more for each stage with a journal.

    `only` keeps the stages that it names.
    """
    slots = []
    for role, agents in (("agent", app.agents), ("graph", app.graphs)):
        for stage in agents:
            slots += _spread(role, stage, app.partitions, workers)
    slots += _spread("gate", names.GATE, 1, 1)
    if app.effectors:
        slots += _spread("effects", names.EFFECTS, app.partitions, 1)
    role_of = {s.stage: s.role for s in slots}
    slots += [Slot(f"{stage}-spare-{i}", role, stage) for stage, role in role_of.items() for i in range(spares)]
    slots += [Slot(s, s, s) for s in (REVIEW, AUDIT, *((OTLP,) if otlp else ()))]
    wanted = set(only)
    return [s for s in slots if not wanted or s.stage in wanted]


def _spread(role: str, stage: str, shards: int, workers: int) -> list[Slot]:
    workers = min(workers, shards)
    return [Slot(f"{stage}-{i}", role, stage, tuple(range(i, shards, workers))) for i in range(workers)]
