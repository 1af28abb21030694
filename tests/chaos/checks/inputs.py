"""What was fed is what was processed, each once, and for each key in the order in which it was fed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.checks.world import World
from tests.chaos.findings import Found, Kind

NAMED = 5
"""So many of a kind are named; the rest is counted."""


def all_of_it(world: World) -> Iterator[Found]:
    """Set of inputs = set of what was processed, by the records that the agent published."""
    fed = Counter(x.n for x in world.fed)
    on_topic = Counter(int(x.get("n")) for x in world.lines("readings") if x.kind == "chaos.reading")
    seen = Counter(int(x.get("n")) for x in world.seen)
    yield from _few(Kind.LOST, "fed, but not on the topic", fed - on_topic)
    yield from _few(Kind.DOUBLED, "on the topic, but not fed", on_topic - fed)
    yield from _few(Kind.LOST, "fed, but not processed", fed - seen)
    yield from _few(Kind.DOUBLED, "processed more often than fed", seen - fed)


def order(world: World) -> Iterator[Found]:
    """For each key: processed in the order of the topic, counted without a gap."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for line in world.lines("readings"):
        if line.kind == "chaos.reading":
            wanted[str(line.get("key"))].append(int(line.get("n")))
    found: dict[str, list[int]] = defaultdict(list)
    for line in world.seen:
        key, n, count = str(line.get("key")), int(line.get("n")), int(line.get("count"))
        found[key].append(n)
        if count != len(found[key]):
            yield Found(
                Kind.REORDERED, "order", f"{line.where}: {key} counts {count} at its {len(found[key])}th record"
            )
    for key, numbers in found.items():
        if numbers != sorted(numbers) or (len(numbers) == len(wanted[key]) and numbers != wanted[key]):
            yield Found(Kind.REORDERED, "order", f"{key}: {numbers[:20]}… where {wanted[key][:20]}… were fed")


def _few(kind: Kind, what: str, surplus: Counter[int]) -> Iterator[Found]:
    for n in sorted(surplus)[:NAMED]:
        yield Found(kind, "inputs", f"event {n} {what}")
    for _ in range(len(surplus) - NAMED):
        yield Found(kind, "inputs", f"another event {what}")
