"""When a worker looks for reference cycles: seldom, since a batch and the remembered events are none."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""Objects that may outlive their making before a look: some five batches with their headers."""
MIDDLE, OLD = 20, 50


FAR = 10 * YOUNG
"""The same for a replay: it reads further ahead than a worker, and ends soon."""


def collect_rarely(young: int = YOUNG) -> None:
    """Leave what has been imported out of every later look, and look less often than Python does by itself.

    Python's own thresholds walk all that a shard remembers again and again: a fifth of the time of a learning agent.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, MIDDLE, OLD)
