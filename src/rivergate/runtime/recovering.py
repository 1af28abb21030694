"""How far a shard's recovery is, told now and then to whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 0.5


class RecoveryReports:
    """A kernel's `Progress` that tells at most twice a second: words, and the share that is done (0 to 1). One thread."""

    def __init__(self, tell: Callable[[str, float], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._told_at = monotonic()

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` commits have been replayed."""
        now = self._monotonic()
        if now - self._told_at >= EVERY_S:
            self._told_at = now
            self._tell(f"replayed {done:,} of {total:,} commits", done / total)
