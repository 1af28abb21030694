"""The demo's machines."""

from __future__ import annotations

from collections import Counter

from rivergate.domain.murmur2 import partition_of

KINDS = ("pump", "press", "furnace", "turbine")


def fleet(partitions: int, each: int = 12) -> list[str]:
    """Names of machines, `each` for every partition, so that all shards get about as much to do."""
    names: list[str] = []
    taken: Counter[int] = Counter()
    number = 0
    while len(names) < each * partitions:
        number += 1
        name = f"{KINDS[number % len(KINDS)]}-{number:02}"
        partition = partition_of(name.encode(), partitions)
        if taken[partition] < each:
            taken[partition] += 1
            names.append(name)
    return names
