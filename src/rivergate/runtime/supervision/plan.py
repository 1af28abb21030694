"""The plan: which processes an app consists of, and which shards each of them gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    app: Declaration,
    workers: int,
    *,
    scaled: Mapping[str, int] | None = None,
    spares: int = 0,
    otlp: bool = False,
    only: Iterable[str] = (),
) -> list[Slot]:
    """All slots of an app: `workers` processes for each agent or graph, or as many as `scaled` says of its stage, and
    `spares` more for each stage with a journal.

    `only` keeps the stages that it names.
    """
    slots = []
    for role, agents in (("agent", app.agents), ("graph", app.graphs)):
        for stage in agents:
            slots += _spread(role, stage, app.partitions, (scaled or {}).get(stage, workers))
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


def moves(owned: Mapping[str, Sequence[int]], workers: int) -> list[tuple[int, str]]:
    """Which shards move, and to which slot, for `workers` slots to have as many each as can be: as few as can be move.

    `owned` names the shards of each slot that may have some. Of two slots with equally many the first is kept.
    """
    kept = sorted(owned, key=lambda slot: -len(owned[slot]))[:workers]
    each, more = divmod(sum(map(len, owned.values())), len(kept))
    room = {slot: each + (place < more) for place, slot in enumerate(kept)}
    homeless = [shard for slot, shards in owned.items() for shard in shards[room.get(slot, 0) :]]
    return [(homeless.pop(0), slot) for slot in kept for _ in range(room[slot] - len(owned[slot]))]
