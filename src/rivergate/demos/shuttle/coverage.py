"""Which records the journal says were read: none may be left out, none read twice. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Coverage(NamedTuple):
    """Offsets of records that no range covers, and of those that more than one covers."""

    missed: list[int]
    repeated: list[int]


def coverage(offsets: Iterable[int], ranges: Sequence[tuple[int, int]]) -> Coverage:
    """Hold records of one partition against the half-open ranges that one stage read of it."""
    edges = sorted([(start, 1) for start, _ in ranges] + [(end, -1) for _, end in ranges])
    missed: list[int] = []
    repeated: list[int] = []
    depth = at = 0
    for offset in sorted(offsets):
        while at < len(edges) and edges[at][0] <= offset:
            depth += edges[at][1]
            at += 1
        if depth == 0:
            missed.append(offset)
        elif depth > 1:
            repeated.append(offset)
    return Coverage(missed, repeated)
