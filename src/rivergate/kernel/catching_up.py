"""Catching up: a new shard begins with history, and is muted until it has read all that was past at its first open.

**Where it begins** stands in its first commit record, `began`: the time of the first open (`at`), and of each input what
was past by then (`past`: from `beginning` or a time up to the end). The record folds nothing; its ranges are what was
passed over. So a successor and a replay know all of it from the journal alone, whatever the inputs hold by then.

**Caught up** is a shard whose positions have reached the end of every such range, and whose clock has reached `at`.
Until then it reads nothing beyond these ends. So every record that was there at the first open is folded muted, every
later one isn't, and no commit holds both.

**Muted** means: the fold runs as ever, and of what it gives only dead letters are written, since nothing may be lost.
The rest is counted and digested in the commit record (`muted`), so that a replay is held against it, and stands on the
spans with `rivergate.muted`. The fold can't tell: its state is what it would be anyway.

**Order and clock.** Inputs are merged by their records' times, a tenth of a second at a time: so an event is judged by
what was learnt by then, and a label that comes before its event waits in the bounds that agents have for that. Within
that each partition is read in one go, or the ranges of a commit record would be as many as its records. The clock is
the time of the newest record of a batch, and a batch spans at most a minute; so what ages and timers measure is
history's time. It ends at `at`: the last muted commit fires what was due.

**Retention goes on meanwhile**, and may remove what comes next before it is read. Nothing of that was to be acted on, so
the shard doesn't park: it begins anew behind it, with a commit record that says `began` once more. Its ranges are what was
removed, passed over like those of the first; so no successor and no replay asks for it either.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from rivergate.domain.clock import Micros, parse_rfc3339, rfc3339
from rivergate.domain.errors import RecordsRemoved
from rivergate.domain.ids import parse_traceparent
from rivergate.domain.journal import Began, Range
from rivergate.domain.record import Record
from rivergate.domain.span import AttributeValue
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import LogArchive, LogReader, Outputs

BEGINNING = "beginning"
SPAN_MS = 60_000
SLICE_MS = 100
"""About as long as a live shard waits for a batch."""
TOLD_CHARACTERS = 4_000
"""So much of each withheld value stands on its span."""


def begin(spec: ShardSpec, start: str, archive: LogArchive, now: Micros) -> tuple[Began, list[Range], Micros]:
    """Where a shard begins, what of its inputs it passes over, and the clock of then. `start` is `beginning` or RFC 3339."""
    at = None if start == BEGINNING else parse_rfc3339(start)
    passed, past = [], []
    for tp in spec.inputs:
        low, high = archive.watermarks(tp)
        first = low if at is None else min(high, max(low, archive.offset_at(tp, at)))
        passed.append(Range(*tp, low, first))
        past.append(Range(*tp, first, high))
    times = [r.timestamp_ms * 1000 for p in past for r in _first(archive.read(*p))]
    clock = at if at is not None and times else min(times, default=now)
    return Began(start, rfc3339(now), tuple(past)), passed, max(0, min(clock, now))


def _first(records: Iterable[Record]) -> Iterable[Record]:
    for r in records:
        yield r
        return


def mark(out: Outputs) -> None:
    """Say on the spans that they are muted, and what would have been written."""
    spans = {s.span_id: s for s in out.spans}
    for span in out.spans:
        span.attributes["rivergate.muted"] = True
    for o in out.records:
        ids = parse_traceparent(o.traceparent)
        caused_by = spans.get(ids[1]) if ids else None
        if caused_by is not None:
            told: dict[str, AttributeValue] = {
                "messaging.destination.name": o.topic,
                "rivergate.value": (o.value or b"").decode(errors="replace")[:TOLD_CHARACTERS],
            }
            caused_by.events.append(("not sent", caused_by.end_ns, told))


def by_time(reader: LogReader, ranges: Sequence[Range]) -> Iterator[Record]:
    """The records of these ranges by their times, each partition's in its own order."""
    order = {(r.topic, r.partition): n for n, r in enumerate(ranges)}
    return heapq.merge(
        *(reader.read(*r) for r in ranges),
        key=lambda r: (r.timestamp_ms // SLICE_MS, order[r.topic, r.partition]),
    )


class Behind:
    """History as a shard that hasn't caught up still has to read it. The shard's thread only; owns the reader."""

    def __init__(self, reader: LogArchive, standing: Standing) -> None:
        began = standing.began
        if began is None:
            raise ValueError("it has caught up")
        self.began = began
        self.at = parse_rfc3339(began.at)
        self._past: Sequence[Range] = began.past
        self._reader = reader
        self.is_cut_off = False
        self._take(self.rest(standing))

    def _take(self, ranges: Sequence[Range]) -> None:
        """Read these next."""
        self._records = by_time(self._reader, ranges)
        self._go_on()

    def _go_on(self) -> None:
        """To the next record; none comes where retention was faster: then it `is_cut_off`, and has to be made anew."""
        try:
            self._next = next(self._records, None)
        except RecordsRemoved:
            self._next, self.is_cut_off = None, True

    def poll(self, limit: int) -> list[Record]:
        """Up to `limit` records that come next, none later than a minute after the first; empty at the end."""
        found: list[Record] = []
        while self._next is not None and len(found) < limit:
            if found and self._next.timestamp_ms > found[0].timestamp_ms + SPAN_MS:
                break
            found.append(self._next)
            self._go_on()
        return found

    def clock(self, records: Sequence[Record], before: Micros) -> Micros:
        """The clock of a batch: its newest record's time, but never back, and never beyond the first open."""
        return min(self.at, max(before, *(r.timestamp_ms * 1000 for r in records)))

    def ending(self, standing: Standing) -> tuple[list[Range], Micros, Began | None] | None:
        """Ranges, clock and `began` of the commit by which it ends or is made anew; None where more is to come."""
        return self._anew(standing) if self.is_cut_off else (self.rest(standing), self.at, None)

    def _anew(self, standing: Standing) -> tuple[list[Range], Micros, Began]:
        """It begins once more, behind what retention has removed; nothing happens by that."""
        removed = []
        for r, at in ((r, standing.positions[r.topic, r.partition]) for r in self._past):
            low, _ = self._reader.watermarks((r.topic, r.partition))
            if at < min(low, r.end):
                removed.append(Range(r.topic, r.partition, at, min(low, r.end)))
        return removed, standing.clock, self.began

    def rest(self, standing: Standing) -> list[Range]:
        """What of the past hasn't been read."""
        at = standing.positions
        return [r._replace(start=at[r.topic, r.partition]) for r in self._past if at[r.topic, r.partition] < r.end]

    def progress(self, standing: Standing) -> tuple[int, int, bool]:
        """Offsets read, and offsets in all, as far as they are known; whether it is held."""
        total = sum(r.end - r.start for r in self._past)
        held = standing.began is not None and standing.began.held
        return total - sum(r.end - r.start for r in self.rest(standing)), total, held

    def close(self) -> None:
        """Give up the reader."""
        self._reader.close()
