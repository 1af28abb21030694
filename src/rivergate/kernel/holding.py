"""Holding: the shards of an app that another one is copied into (`rivergate rekey`) stay muted until their release.

**That it is held** stands in a shard's first commit record: its `began` has a past without an end (`OPEN_END`). So it never
has caught up, by the rule of `kernel.catching_up`, whoever opens it and whatever its inputs hold by then. A shard begins
so where the topic `rekey` of its app has a record, and the last one isn't a release; nobody has to say so at a start.

**What it reads** goes up to the `ends` of the newest record there, and no further: these are written in the transaction
that copies. So no shard has read anything that stands behind a release, however late it hears of it.

**The release** is the copy's last record. Once a shard has read up to the ends in there it commits the end of its past: a
record without ranges, with a `began` that names these ends, and as `at` the time up to which the other app has fired its
timers. From there the usual rule holds: it has caught up when its positions and its clock have reached them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rivergate.domain import names, wire
from rivergate.domain.clock import Micros
from rivergate.domain.errors import BadInput, UnknownTopic
from rivergate.domain.journal import OPEN_END, Began, Range
from rivergate.domain.record import Record, TopicPartition
from rivergate.domain.wire import RekeyedRecord
from rivergate.kernel.catching_up import BEGINNING, Behind, begin
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import Clock, LogArchive

LOOK_S = 0.5
"""How long a shard that has read all that was copied waits after a look that found nothing new."""

First = tuple[list[Range], Micros, Began]
"""What a first commit passes over, its clock, and how the shard begins."""


def first_commit(spec: ShardSpec, archive: LogArchive, now: Micros) -> First | None:
    """How a shard without a journal begins, held or with history; None for one that begins where its inputs do."""
    if spec.rekey is not None and _is_under_way(Copied(archive, spec.rekey)):
        return _held(spec, archive, now)
    if spec.begin is not None:
        began, passed_over, clock = begin(spec, spec.begin, archive, now)
        return passed_over, clock, began
    return None


def _is_under_way(copied: Copied) -> bool:
    return copied.look() and copied.newest is not None and copied.newest.released is None


def _held(spec: ShardSpec, archive: LogArchive, now: Micros) -> First:
    """With all that was there, or with nothing yet: then its clock is that of the first record to come."""
    began, passed_over, clock = begin(spec, BEGINNING, archive, now)
    is_empty = all(r.start == r.end for r in began.past)
    past = tuple(r._replace(end=OPEN_END) for r in began.past)
    return passed_over, 0 if is_empty else clock, replace(began, past=past)


def history(spec: ShardSpec, standing: Standing, reader: Callable[[], LogArchive], clock: Clock) -> Behind | None:
    """What a shard that hasn't caught up still has to read; None for one that has."""
    if standing.began is None:
        return None
    if not standing.began.held:
        return Behind(reader(), standing)
    return Held(reader(), standing, spec.rekey or names.topic(spec.app, names.REKEY), clock)


@dataclass(slots=True)
class Copied:
    """Follows the records of a topic `rekey`. `newest` is the last one as of the last look."""

    archive: LogArchive
    topic: str
    newest: RekeyedRecord | None = None
    _seen: int = 0

    def look(self) -> bool:
        """Whether there is a newer record than at the last look."""
        partition = self.topic, 0
        try:
            low, high = self.archive.watermarks(partition)
        except UnknownTopic:  # nobody has made it
            return False
        if high == self._seen:
            return False
        found = next(self._backwards(partition, max(low, self._seen), high), None)
        self._seen = high
        self.newest = found or self.newest
        return found is not None

    def _backwards(self, partition: TopicPartition, low: int, high: int) -> Iterator[RekeyedRecord]:
        step = 16
        while high > low:
            start = max(low, high - step)
            yield from filter(None, map(_rekeyed, reversed(list(self.archive.read(*partition, start, high)))))
            high, step = start, step * 4


def _rekeyed(record: Record) -> RekeyedRecord | None:
    """What a record of the topic says; None for somebody else's."""
    try:
        found = wire.read(record)
    except BadInput:
        return None
    return found if isinstance(found, RekeyedRecord) else None


class Held(Behind):
    """History as far as it has been copied, until the copy's last record. The shard's thread only; owns the reader."""

    def __init__(
        self,
        reader: LogArchive,
        standing: Standing,
        topic: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._copied = Copied(reader, topic)
        self._copied.look()
        self._clock = clock
        self._monotonic = monotonic
        self._look_at = float("-inf")
        super().__init__(reader, standing)
        self.at = clock()

    def _take(self, ranges: Sequence[Range]) -> None:
        """Of what has no end, as much as was copied."""
        self._past = [r._replace(end=max(r.start, self._ends.get((r.topic, r.partition), 0))) for r in self.began.past]
        ends = {(r.topic, r.partition): r.end for r in self._past}
        bounded = [r._replace(end=ends[r.topic, r.partition]) for r in ranges]
        super()._take([r for r in bounded if r.start < r.end])

    def poll(self, limit: int) -> list[Record]:
        """Like `Behind.poll`; at the end it looks for what was copied since, now and then."""
        found = super().poll(limit)
        before = self._past
        if not found and not self.is_cut_off and self._is_news():
            self.at = self._clock()
            self._take([r._replace(start=r.end) for r in before])
            found = super().poll(limit)
        return found

    def _is_news(self) -> bool:
        if self._monotonic() < self._look_at:
            return False
        if self._copied.look():
            return True
        self._look_at = self._monotonic() + LOOK_S
        return False

    def ending(self, standing: Standing) -> tuple[list[Range], Micros, Began | None] | None:
        """Once it was released and all of it is read: the commit that ends the past, in which nothing happens."""
        if self.is_cut_off:
            return self._anew(standing)
        newest = self._copied.newest
        if newest is None or newest.released is None:
            return None
        return [], standing.clock, Began(self.began.start, newest.released, tuple(self._past))

    @property
    def _ends(self) -> dict[TopicPartition, int]:
        newest = self._copied.newest
        return {} if newest is None else {(t, p): end for t, p, end in newest.ends}
