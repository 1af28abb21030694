"""The telemetry itself: River's bundled Shuttle data (49,097 readings of nine sensors, 7 % anomalous)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


class ShuttleTelemetry:
    """Can be iterated again and again. Needs no download: the file comes with River."""

    def __iter__(self) -> Iterator[tuple[dict[str, Any], bool]]:
        from river.datasets import Shuttle

        for sensors, anomalous in Shuttle():
            yield sensors, bool(anomalous)


def truths(count: int) -> list[bool]:
    """Whether each of the first `count` readings was anomalous; the telemetry begins again at its end."""
    return [anomalous for _, anomalous in itertools.islice(itertools.cycle(ShuttleTelemetry()), count)]
