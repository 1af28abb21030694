"""When a snapshot is due: replaying what came after the last one would take too long, and taking it costs little enough."""

from __future__ import annotations

import time


class SnapshotPace:
    """One is due after `replay_s` seconds of folding, at most `share` of the time. The shard's thread only."""

    def __init__(self, replay_s: float, share: float) -> None:
        self._replay_s = replay_s
        self._share = share
        self._cost_s = 0.0
        self._at = time.monotonic()
        self.folded_s = 0.0
        """How long it took to fold what came after the last one."""

    def is_due(self) -> bool:
        """Whether one is worth it now."""
        return self.folded_s >= self._replay_s and self.allows()

    def allows(self) -> bool:
        """Whether the last one is long enough ago, by what it cost."""
        return (time.monotonic() - self._at) * self._share >= self._cost_s

    def taken(self, started: float) -> None:
        """One was taken, begun at this monotonic time."""
        self._at = time.monotonic()
        self._cost_s = self._at - started
        self.folded_s = 0.0
