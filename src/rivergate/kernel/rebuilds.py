"""How often a shard may rebuild its state before it parks: again and again helps nobody."""

from __future__ import annotations

import time
from collections import deque

from rivergate.domain.errors import ShardParked
from rivergate.kernel.shard import ShardSpec

MINUTE_S = 60.0


class Rebuilds:
    """Counts a shard's rebuilds. The shard's thread only."""

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
    return f"mend the cause (the log names the records), then `rivergate shards resume {spec.name} --app {spec.app}`"
