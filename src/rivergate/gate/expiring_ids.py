"""Ids that are remembered until a time, bounded by count, with a horizon that says what may have been forgotten."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

from rivergate.domain.clock import Micros


class ExpiringIds:
    """`{id: mark}`, each until its own time.

    Where more than `limit` ids wait, those that would expire first fall out (`forgotten` counts them), and
    `horizon` becomes the latest of their times: an id that would have expired up to then and isn't here may
    have been here, any other has not.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._marks: dict[str, str] = {}
        self._due: list[tuple[Micros, str]] = []
        self.horizon: Micros = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._marks)

    def get(self, name: str) -> str | None:
        """The mark that the id was added with, or None."""
        return self._marks.get(name)

    def add(self, name: str, until: Micros, mark: str) -> None:
        """Remember an id that isn't here yet."""
        self._marks[name] = mark
        heappush(self._due, (until, name))
        while len(self._due) > self._limit:
            due, oldest = heappop(self._due)
            self.horizon = max(self.horizon, due)
            del self._marks[oldest]
            self.forgotten += 1

    def expire(self, clock: Micros) -> None:
        """Let go of the ids whose time has come."""
        while self._due and self._due[0][0] <= clock:
            del self._marks[heappop(self._due)[1]]

    def dump(self) -> dict[str, Any]:
        """As JSON, equal for equal contents."""
        entries = [[until, name, self._marks[name]] for until, name in sorted(self._due)]
        return {"entries": entries, "horizon": self.horizon, "forgotten": self.forgotten}

    def load(self, value: dict[str, Any]) -> None:
        """Inverse of `dump`."""
        self._marks = {name: mark for _, name, mark in value["entries"]}
        self._due = [(until, name) for until, name, _ in value["entries"]]
        heapify(self._due)
        self.horizon = value["horizon"]
        self.forgotten = value["forgotten"]
