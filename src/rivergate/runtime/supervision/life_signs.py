"""Which workers have fallen silent: stopped, swapped out, or stuck, while the broker and the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from rivergate.adapters.kafka_status import ShardStatus

SILENT_S = 30.0
"""A worker reports every two seconds, unless one call into C holds the interpreter for so long."""


START_S = 90.0
"""What a worker gets more that still has to import."""
ONCE_MORE_S = 5.0
"""What a worker gets after that: the broker may have come back just now."""


class LifeSigns:
    """Remembers when each worker was last heard. One thread.

    Only its own clock counts, so machines' clocks may differ. While the broker is away nobody can be heard: what it says
    about `silent` workers holds only if the broker answers, else call `nobody_can_be_heard`, and all have the time anew.
    """

    def __init__(self, limit_s: float = SILENT_S, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limit_s = limit_s
        self._monotonic = monotonic
        self._newest: Mapping[tuple[str, int], ShardStatus] = {}
        self._heard: dict[str, float] = {}
        self._doubted: set[str] = set()

    def hear(self, reports: Mapping[tuple[str, int], ShardStatus]) -> None:
        """Take the newest report of each shard."""
        now = self._monotonic()
        for shard, report in reports.items():
            if self._newest.get(shard) != report:
                self._heard[report.worker] = now
                self._doubted.discard(report.worker)
        self._newest = dict(reports)

    def expect(self, worker: str, *, importing: bool) -> None:
        """It has got its first shards, so it will report from now on: a new process once it has imported, which may take it
        a while. One that has done so may stand still all the same.
        """
        self.forget(worker)  # it had nothing to report
        self._heard[worker] = self._monotonic() + (START_S if importing else 0.0)

    def nobody_can_be_heard(self) -> None:
        """The broker didn't answer."""
        now = self._monotonic()
        self._heard = {worker: max(at, now) for worker, at in self._heard.items()}
        self._doubted.clear()

    def silent(self, workers: Iterable[str]) -> set[str]:
        """Those of these workers that were heard once and not for the whole time."""
        now = self._monotonic()
        return {w for w in workers if now - self._heard.get(w, now) > self.limit_s}

    def is_given_up(self, worker: str) -> bool:
        """Whether a silent worker, asked about for the second time, has had its last chance."""
        if worker in self._doubted:
            return True
        self._doubted.add(worker)
        self._heard[worker] = self._monotonic() - self.limit_s + min(ONCE_MORE_S, self.limit_s)
        return False

    def forget(self, worker: str) -> None:
        """It has been ended, or has had no shards."""
        self._heard.pop(worker, None)
        self._doubted.discard(worker)
