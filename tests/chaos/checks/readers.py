"""What concurrent `read_committed` readers saw is what the final reader sees: nothing else, nothing twice, in order.

Of each partition that is all before `World.ends`: what comes while the final reader reads, one of them may have seen alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.chaos.checks.world import World
from tests.chaos.findings import Found, Kind
from tests.chaos.readers import Glimpse, fingerprint


def same(world: World) -> Iterator[Found]:
    """For each reader and partition."""
    for name, partitions in world.meanwhile.items():
        final: dict[tuple[str, int], list[Glimpse]] = {place: [] for place in partitions}
        for lines in world.evidence.lines.values():
            for line in lines:
                final.setdefault((line.topic, line.partition), []).append((line.offset, fingerprint(line)))
        for (topic, partition), wanted in final.items():
            end = world.ends.get((topic, partition))
            saw = partitions.get((topic, partition), ())
            yield from _compare(f"{name}: {topic}/{partition}", _before(end, saw), _before(end, wanted))


def _before(end: int | None, glimpses: Sequence[Glimpse]) -> Sequence[Glimpse]:
    return glimpses if end is None else [g for g in glimpses if g[0] < end]


def _compare(where: str, saw: Sequence[Glimpse], wanted: Sequence[Glimpse]) -> Iterator[Found]:
    if list(saw) == list(wanted):
        return
    phantoms = sorted({o for o, _ in set(saw) - set(wanted)})
    missed = sorted({o for o, _ in set(wanted) - set(saw)})
    if phantoms:
        yield Found(Kind.UNEXPLAINED, "readers", f"{where}: saw what isn't there at the end, at {phantoms[:5]}")
    if missed:
        yield Found(Kind.LOST, "readers", f"{where}: never saw {missed[:5]}, {len(missed)} in all")
    if not phantoms and not missed:
        yield Found(Kind.REORDERED, "readers", f"{where}: {len(saw)} records for {len(wanted)}, or in another order")
