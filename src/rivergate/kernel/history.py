"""What a performer's successor reads again: from where, and through which window."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from rivergate.domain.record import Position, Record, TopicPartition
from rivergate.ports import LogReader, ShardLog

REFRESH_S = 30.0

Ends = Mapping[TopicPartition, int]


class Since:
    """Where topics ended before what is open was read: whatever was written of it stands at or after that.

    A lower bound is enough, so the ends are asked for at most every `REFRESH_S` seconds. The shard's thread only.
    """

    def __init__(self, log: ShardLog, partitions: Iterable[TopicPartition]) -> None:
        self._log = log
        self._partitions = list(partitions)
        self._ends: Ends = {}
        self._asked = 0.0
        self._before: dict[Position, Ends] = {}
        self.lowest: Ends = {}

    def begin(self, recorded: Ends, unfinished: Iterable[Position]) -> None:
        """An owner begins: what is open now goes back to what its journal says."""
        self.lowest = recorded
        self._before = dict.fromkeys(unfinished, recorded)
        self._ends = {}

    def of(self, still_open: Iterable[Position]) -> tuple[tuple[str, int, int], ...]:
        """The bound for a commit record that leaves these records open; empty where nothing is."""
        if not self._partitions:
            return ()
        self._refresh()
        self._before = {p: self._before.get(p, self._ends) for p in still_open}
        generations = {id(ends): ends for ends in self._before.values()}.values()
        self.lowest = {tp: min(e.get(tp, 0) for e in generations) for tp in self._partitions} if generations else {}
        return tuple((t, p, o) for (t, p), o in sorted(self.lowest.items()))

    def cut(self) -> frozenset[TopicPartition]:
        """Where retention has removed some of what may have been written of it."""
        return frozenset(tp for tp, at in self.lowest.items() if self._log.watermarks(tp)[0] > at)

    def _refresh(self) -> None:
        now = time.monotonic()
        if not self._ends or now - self._asked > REFRESH_S:
            self._ends = {tp: self._log.watermarks(tp)[1] for tp in self._partitions}
            self._asked = now


class History:
    """A `ports.LogReader` whose scans begin where a performer's journal says."""

    def __init__(self, reader: LogReader, since: Since) -> None:
        self._reader = reader
        self._since = since.lowest
        self._cut = since.cut()

    def is_whole(self, topic: str, partition: int) -> bool:
        """Whether all that was written there of what is open still stands."""
        return (topic, partition) not in self._cut

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterable[Record]:
        """See `ports.LogReader.read`."""
        return self._reader.read(topic, partition, start, end)

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """All committed records of what is open, and others."""
        return self._reader.scan(topic, partition, max(start, self._since.get((topic, partition), 0)))

    def close(self) -> None:
        """The reader is its owner's to close."""
