"""Follows how far the agents have read, so that the script doesn't run away from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rivergate.demos.shuttle.commit_line import commit_in
from rivergate.demos.shuttle.events import Reading
from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.domain import names
from rivergate.domain.record import Record


class Reader(Protocol):
    """As much of `TopicReader` as the follower uses."""

    def poll(self, take: Callable[[Record], object], wait_s: float) -> int:
        """Give what is there to `take`."""

    def close(self) -> None:
        """Release the connections."""


class Follower:
    """Reads the agent's journal. Telemetry is written without transactions, so its offsets count its readings."""

    def __init__(self, reader: Reader, app: str, start: int, ahead: int) -> None:
        self._telemetry = Reading.topic_in(app)
        self._start = start
        self._ahead = ahead
        self._read: dict[int, int] = {}
        self._reader = reader

    @staticmethod
    def topics(app: str) -> list[str]:
        """What its reader has to read."""
        return [names.journal_topic(app, names.agent_stage(ShuttleWatcher.name))]

    def may_go_on(self, told: int) -> bool:
        """Whether fewer than `ahead` readings lie unread once so many were told. Looks only where that isn't known."""
        if self._start + told - self._total < self._ahead:
            return True
        self._reader.poll(self._take, 0.0)
        return self._start + told - self._total < self._ahead

    def close(self) -> None:
        """Release the connections."""
        self._reader.close()

    @property
    def _total(self) -> int:
        return sum(self._read.values())

    def _take(self, record: Record) -> None:
        for topic, partition, _, end in (commit_in(record) or {"ranges": ()})["ranges"]:
            if topic == self._telemetry:
                self._read[partition] = max(end, self._read.get(partition, 0))
