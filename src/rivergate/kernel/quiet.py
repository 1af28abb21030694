"""Quiet partitions: what stands behind the last record of an input, and when to say that it has been passed.

A shard's position is the offset after the last record that it read. Where an input is written in transactions, their
markers stand from there on, and once retention has removed them all, the log begins behind the position: it looks as
if records had been lost. So what was passed without a record is made part of a commit while the partition is quiet. Those
who wait for a shard to come closer (`kernel.brake`) rely on it too: behind the last record may stand a whole aborted batch.
"""

from __future__ import annotations

from collections.abc import Callable

from rivergate.domain.journal import Range
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import ShardLog

LOOKS = 8
"""How often it is looked within the time that a partition has to be quiet."""


class Quiet:
    """Finds ranges without records. To be asked while everything that `poll` has handed out is committed."""

    def __init__(self, log: ShardLog, spec: ShardSpec, after_s: float, clock: Callable[[], float]) -> None:
        self._log = log
        self._inputs = spec.inputs
        self._after_s = after_s
        self._clock = clock
        self._look_at = clock()
        self._since: dict[Range, float] = {}

    def ranges(self, standing: Standing) -> list[Range]:
        """Of every partition whose end was reached behind its position, or behind its beginning if it was never read of."""
        passed = self._log.passed()
        found = []
        for tp in self._inputs:
            end = passed.get(tp, 0)
            at = standing.positions.get(tp, 0)
            if end > at and tp not in standing.positions:
                at = self._log.watermarks(tp)[0]
            if end > at:
                found.append(Range(*tp, at, end))
        return found

    def due(self, standing: Standing) -> list[Range]:
        """The same, once one of them has stood at its position for long enough; nothing otherwise."""
        now = self._clock()
        if now < self._look_at:
            return []
        self._look_at = now + self._after_s / LOOKS
        ranges = self.ranges(standing)
        starts = [r._replace(end=r.start) for r in ranges]
        self._since = {r: self._since.get(r, now) for r in starts}
        return ranges if any(now - since >= self._after_s for since in self._since.values()) else []
