"""When a snapshot is due: replaying what came after the last one would take too long, and taking it costs little enough."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_REPLAY_S = 0.25
"""A shard's part of `replay_s` is no smaller, however many share it, unless it is set smaller."""

RETRY_S = 10.0
"""How long a store that took no snapshot is left alone."""


class SnapshotPace:
    """One is due after this shard's part of `replay_s` seconds of folding, at most `share` of the time.

    `shards` tells how many there are in this process: who takes them over replays all of them in one interpreter, so
    together they may leave `replay_s` to it. The shard's thread only.
    """

    def __init__(self, replay_s: float, share: float, shards: Callable[[], int]) -> None:
        self._replay_s = replay_s
        self._share = share
        self._shards = shards
        self._cost_s = 0.0
        self._at = time.monotonic()
        self.folded_s = 0.0
        """How long what came after the last one took to fold, each time that it was folded."""

    def is_due(self) -> bool:
        """Whether one is worth it now."""
        return self.folded_s >= self._part_s() and self.allows()

    def _part_s(self) -> float:
        return min(self._replay_s, max(self._replay_s / max(self._shards(), 1), LEAST_REPLAY_S))

    def allows(self) -> bool:
        """Whether the last one is long enough ago, by what it cost."""
        return (time.monotonic() - self._at) * self._share >= self._cost_s

    def refolded(self, seconds: float) -> None:
        """A recovery has folded again for so long what came after the last one; 0 where nothing did."""
        self.folded_s = self.folded_s + seconds if seconds else 0.0

    def taken(self, started: float) -> None:
        """One was taken, begun at this monotonic time."""
        self._at = time.monotonic()
        self._cost_s = self._at - started
        self.folded_s = 0.0

    def failed(self, started: float) -> None:
        """One that was begun at this monotonic time couldn't be stored: another is tried in `RETRY_S` at the earliest."""
        self._at = time.monotonic()
        self._cost_s = max(self._at - started, RETRY_S * self._share)
