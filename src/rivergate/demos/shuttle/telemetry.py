"""The telemetry itself: River's bundled Shuttle data (49,097 readings of nine sensors, 7 % anomalous)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

READINGS = 49_097


class ShuttleTelemetry:
    """Can be iterated again and again. Needs no download: the file comes with River."""

    def __iter__(self) -> Iterator[tuple[dict[str, Any], bool]]:
        from river.datasets import Shuttle

        for sensors, anomalous in Shuttle():
            yield sensors, bool(anomalous)


def truths(count: int) -> Truths:
    """What the first `count` readings were; the telemetry begins again at its end, and so do the truths."""
    return Truths([anomalous for _, anomalous in itertools.islice(ShuttleTelemetry(), min(count, READINGS))])


class Truths:
    """Whether a reading was anomalous, by its number."""

    def __init__(self, known: Sequence[bool]) -> None:
        self._known = known

    def __getitem__(self, number: int) -> bool:
        return self._known[number % READINGS]
