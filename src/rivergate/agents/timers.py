"""Timers of a shard: deadlines are state, fired in order of (deadline, name)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from rivergate.agents.cause import Cause
from rivergate.domain.clock import Micros

_STALE = 64
"""Moved and cancelled deadlines that the heap may hold beside as many as there are pending ones."""


@dataclass(slots=True)
class Timers:
    """Pending timers by name; each keeps the cause that set it, which its own outputs descend from."""

    pending: dict[str, tuple[Micros, Cause]] = field(default_factory=dict)
    _heap: list[tuple[Micros, str]] = field(default_factory=list, compare=False, repr=False)
    """Every pending deadline, and some that were moved or cancelled. Follows from `pending`, so it isn't state."""

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {"pending": self.pending}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self.pending = state[1]["pending"]
        self._rebuild()

    def set(self, name: str, due: Micros, cause: Cause) -> None:
        """Set or move a timer."""
        event_id = f"{cause.subject}!timer/{name}/{due}"
        own = Cause(event_id, cause.subject, cause.topic, cause.partition, cause.offset, cause.key, cause.traceparent)
        self.pending[name] = (due, own)
        heappush(self._heap, (due, name))
        if len(self._heap) > 2 * len(self.pending) + _STALE:
            self._rebuild()

    def cancel(self, name: str) -> None:
        """Forget a timer."""
        self.pending.pop(name, None)

    def next_deadline(self) -> Micros | None:
        """When the earliest timer is due."""
        heap = self._heap
        while heap:
            due, name = heap[0]
            found = self.pending.get(name)
            if found is not None and found[0] == due:
                return due
            heappop(heap)
        return None

    def take_due(self, now: Micros) -> Iterator[tuple[str, Cause]]:
        """The timers that are due now, earliest first, each removed when its turn comes.

        So one that an earlier one cancels or moves isn't given; what is set meanwhile waits for the next call.
        """
        due_now = []
        while (due := self.next_deadline()) is not None and due <= now:
            _, name = heappop(self._heap)
            due_now.append((name, self.pending[name]))
        for name, found in due_now:
            if self.pending.get(name) is found:
                del self.pending[name]
                yield name, found[1]

    def _rebuild(self) -> None:
        self._heap = [(due, name) for name, (due, _) in self.pending.items()]
        heapify(self._heap)
