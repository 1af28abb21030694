"""How often a shard may rebuild its state for commits that fail before it parks: again and again helps nobody.

A rebuild for a record that fails doesn't count, since the shard gets on by it: the record goes to the dead letters in the
next commit. Did it count, whoever may write to a topic could stop all that read it. Nor does a shard whose records all fail
run hot: each waits for a rebuild and a commit of its own, and `kernel.pace` keeps down what is folded again for it.
"""

from __future__ import annotations

import time
from collections import deque

from rivergate.domain.errors import ShardParked
from rivergate.kernel.shard import ShardSpec

MINUTE_S = 60.0


class Rebuilds:
    """Counts a shard's rebuilds for commits that failed. The shard's thread only."""

    def __init__(self, spec: ShardSpec, limit_a_minute: int) -> None:
        self._spec = spec
        self._limit = limit_a_minute
        self._times: deque[float] = deque()

    def count(self, why: str) -> None:
        """One more. Raises `ShardParked`."""
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > MINUTE_S:
            self._times.popleft()
        if len(self._times) > self._limit:
            raise ShardParked(
                f"{self._spec.name}: {len(self._times)} rebuilds within a minute, the last for {why}",
                remedy=mend(self._spec),
            )


def mend(spec: ShardSpec) -> str:
    """The remedy for what fails again and again."""
    return f"mend the cause (the log says more), then `rivergate shards resume {spec.name} --app {spec.app}`"
