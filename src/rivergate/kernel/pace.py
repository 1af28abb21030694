"""When a snapshot is due: replaying what came after the last one would take too long, or retention may soon remove what a
replay needs; and taking it costs little enough.
"""

from __future__ import annotations

from collections.abc import Callable

from rivergate.kernel.tools import Limits

LEAST_REPLAY_S = 0.25
"""A shard's part of `replay_s` is no smaller, however many share it, unless it is set smaller."""

RETRY_S = 10.0
"""How long a store that took no snapshot is left alone."""


class SnapshotPace:
    """One is due after this shard's part of `replay_s` seconds of folding, at most `snapshot_share` of the time, and
    `snapshot_age_s` after the first commit that isn't in the last one, however little was folded.

    `shards` tells how many there are in this process: who takes them over replays all of them in one interpreter, so
    together they may leave `replay_s` to it. `clock` is monotonic, in seconds. The shard's thread only.
    """

    def __init__(self, limits: Limits, shards: Callable[[], int], clock: Callable[[], float]) -> None:
        self._limits = limits
        self._shards = shards
        self._clock = clock
        self._cost_s = 0.0
        self._at = clock()
        self._folded_s = 0.0  # of what came after the last one, each time that it was folded
        self._first: float | None = None

    def folded(self, seconds: float) -> None:
        """A batch was folded, and took so long."""
        self._folded_s += seconds
        if self._first is None:
            self._first = self._clock()

    def recovered(self, seconds: float, age_s: float | None) -> None:
        """What came after the last one has been folded again, for so long; its first commit is so old, None: there is none."""
        self._folded_s = 0.0 if age_s is None else self._folded_s + seconds
        self._first = None if age_s is None else self._clock() - age_s

    def is_due(self) -> bool:
        """Whether one is worth it now."""
        return (self._folded_s >= self._part_s() or self._is_old()) and self.allows()

    def is_due_by_age(self) -> bool:
        """Whether one is worth it though nothing comes."""
        return self._is_old() and self.allows()

    def _is_old(self) -> bool:
        return self._first is not None and self._clock() - self._first >= self._limits.snapshot_age_s

    def _part_s(self) -> float:
        whole = self._limits.replay_s
        return min(whole, max(whole / max(self._shards(), 1), LEAST_REPLAY_S))

    def allows(self) -> bool:
        """Whether the last one is long enough ago, by what it cost."""
        return (self._clock() - self._at) * self._limits.snapshot_share >= self._cost_s

    def taken(self, started: float) -> None:
        """One was taken, begun at this time of the clock."""
        self._at = self._clock()
        self._cost_s = self._at - started
        self._folded_s = 0.0
        self._first = None

    def failed(self, started: float) -> None:
        """One that was begun at this time of the clock couldn't be stored: another is tried in `RETRY_S` at the earliest."""
        self._at = self._clock()
        self._cost_s = max(self._at - started, RETRY_S * self._limits.snapshot_share)
