"""How long retention still leaves what a replay needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rivergate.domain.clock import Micros
from rivergate.domain.record import TopicPartition
from rivergate.ports import LogArchive

LOOKS = 10
"""Steps of the search for a record's time: a thousandth of the retention."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """When the first of the needed records may be removed: at `until`, after `share` of its topic's retention."""

    partition: TopicPartition
    until: Micros
    share: float


def lasting(
    archive: LogArchive, needs: Mapping[TopicPartition, int], retention: Mapping[str, Micros], now: Micros
) -> Lasting | None:
    """The input that goes first, of those that retention by time removes; None where nothing removes what is needed.

    `retention` has the topics that have one. A record that nobody has written yet lasts, and so do transactions'
    markers, which nobody needs.
    """
    found = []
    for tp, offset in needs.items():
        keep = retention.get(tp[0])
        if keep is not None and next(iter(archive.scan(*tp, offset)), None) is not None:
            written = _time_of(archive, tp, offset, now - keep, now)
            found.append(Lasting(tp, written + keep, max(0.0, (written + keep - now) / keep)))
    return min(found, key=lambda x: x.until, default=None)


def _time_of(archive: LogArchive, tp: TopicPartition, offset: int, low: Micros, high: Micros) -> Micros:
    """When a record was stamped, by asking which offsets belong to which times; at least `low`."""
    for _ in range(LOOKS):
        middle = (low + high) // 2
        if archive.offset_at(tp, middle) > offset:
            high = middle
        else:
            low = middle
    return low
