"""Copies an app's inputs into another one's, exactly once, by time, until somebody releases what holds there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_copy import Copy, KafkaCopier
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.domain.errors import Fenced, RecordsRemoved, RivergateError
from rivergate.domain.record import Position, Record
from rivergate.domain.wire import RekeyedRecord
from rivergate.kernel.catching_up import by_time
from rivergate.kernel.holding import Copied
from rivergate.ports import Clock, LogArchive
from rivergate.runtime.app import App
from rivergate.runtime.rekey.newcomer import demand_holding, demand_untouched
from rivergate.runtime.rekey.notes import beyond, first_note, left, listed, noted, write_note
from rivergate.runtime.rekey.plan import Plan
from rivergate.topics.apply import apply_topics
from rivergate.topics.catalogue import Catalogue

_LOG = logging.getLogger("rivergate.runtime")

AT_ONCE = 2_000
"""Records of one transaction, at most."""
AT_ONCE_BYTES = 8 * 1024**2
"""A transaction ends with the record that reaches this: it has to be written within ten seconds."""
BETWEEN_S = 0.5
"""Between two looks at a log of which everything is copied."""
AGAIN_S = 1.0
REMEMBERED = 200_000
"""Events whose keys are kept in memory, for labels that come without them."""

Told = Callable[[RekeyedRecord], None]
"""Told what was noted last."""
Hindered = Callable[[RivergateError], None]
"""Told what a copy waits for, once until it is something else or it has got on."""


def make_topics(app: App, bootstrap: str) -> None:
    """Make the topics of the app that is copied into. Raises `ConfigError`."""
    admin = KafkaAdmin(bootstrap)
    try:
        specs = Catalogue.for_app(app.name, app.partitions, app.stages, app.topics, used=app.events)
        apply_topics(admin, specs).demand()
    finally:
        admin.close()


@contextmanager
def reading(bootstrap: str, plan: Plan) -> Iterator[KafkaReader]:
    """A reader, closed at the end."""
    reader = KafkaReader(bootstrap, f"{plan.to}.rekey")
    try:
        yield reader
    finally:
        reader.close()


class Copying:
    """Copies until it is stopped or until the release. One thread; may be started again after any end."""

    def __init__(
        self,
        plan: Plan,
        bootstrap: str,
        by: str,
        clock: Clock,
        told: Told = lambda _: None,
        hindered: Hindered = lambda _: None,
    ) -> None:
        self._plan = plan
        self._bootstrap = bootstrap
        self._by = by
        self._clock = clock
        self._told = told
        self._hindered = hindered
        self._hindrance = ""

    def run(self, stop: threading.Event) -> RekeyedRecord | None:
        """Copy until `stop`, or until it was released: what was noted then. Raises `Fenced` where another copy, or a
        release that has just begun, has taken over, `ConfigError` where the new app doesn't hold, and what the broker will
        refuse however often it is asked.
        """
        while not stop.is_set():
            try:
                newest = self._session(stop)
            except Fenced:
                found = self._noted()
                if found is None or found.released is None:
                    raise
                return found
            except RivergateError as e:
                missed = isinstance(e, RecordsRemoved)  # the next session goes on behind it, and counts it
                if not e.retryable and not missed:
                    raise
                self._waits_for(e)
                stop.wait(AGAIN_S)
                continue
            if newest.released is not None:
                return newest
        return None

    def _waits_for(self, hindrance: RivergateError) -> None:
        _LOG.warning("the copy goes on from what was noted last: %s", hindrance)
        if hindrance.what != self._hindrance:
            self._hindrance = hindrance.what
            self._hindered(hindrance)

    def _got_on(self, note: RekeyedRecord) -> None:
        self._hindrance = ""
        self._told(note)

    def _noted(self) -> RekeyedRecord | None:
        with reading(self._bootstrap, self._plan) as reader:
            return noted(self._plan, reader)

    def _session(self, stop: threading.Event) -> RekeyedRecord:
        plan, bootstrap = self._plan, self._bootstrap
        with (
            KafkaCopier(bootstrap, plan.to, plan.rekey) as copier,
            reading(bootstrap, plan) as reader,
            reading(bootstrap, plan) as lookup,
        ):
            return self._copy(copier, reader, Keys(lookup, plan), stop)

    def _copy(self, copier: KafkaCopier, reader: LogArchive, keys: Keys, stop: threading.Event) -> RekeyedRecord:
        newest = self._begin(copier)
        notes = Copied(reader, self._plan.rekey)
        self._told(newest)
        while newest.released is None and not stop.is_set():
            ranges, newest = left(newest, reader)
            for some in batches(by_time(reader, ranges)):
                newest = self._write(copier, newest, some, keys)
                self._got_on(newest)
                if stop.is_set():
                    return newest
            newest = beyond(newest, ranges)
            if not ranges:
                if notes.look() and notes.newest and notes.newest.released:  # somebody else's, who has fenced us
                    return notes.newest
                stop.wait(BETWEEN_S)
        return newest

    def _begin(self, copier: KafkaCopier) -> RekeyedRecord:
        """What was noted last, or the first note; then it is safe to copy."""
        with reading(self._bootstrap, self._plan) as reader:
            newest = noted(self._plan, reader)
            if newest is None:
                demand_untouched(self._plan, reader)
                newest = self._note(copier, first_note(self._plan, reader, self._by))
            demand_holding(self._plan, reader, newest)
        return newest

    def _write(
        self, copier: KafkaCopier, newest: RekeyedRecord, records: Sequence[Record], keys: Keys
    ) -> RekeyedRecord:
        plan = self._plan
        copies = []
        for r in records:
            keys.remember(r)
            partition = plan.partition(r, keys.of)
            copies.append(Copy(plan.topics[r.topic], partition, r.key, r.value, plan.headers(r), r.timestamp_ms))
        at = {(t, p): o for t, p, o in newest.positions} | {(r.topic, r.partition): r.offset + 1 for r in records}
        counts = {"records": newest.records + len(records), "bytes": newest.bytes + sum(map(_size, records))}
        return self._note(copier, newest.model_copy(update={"positions": listed(at), **counts}), copies)

    def _note(self, copier: KafkaCopier, note: RekeyedRecord, copies: Sequence[Copy] = ()) -> RekeyedRecord:
        return write_note(copier, self._plan, note, self._by, self._clock, copies)


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """As many at a time as one transaction takes."""
    batch: list[Record] = []
    size = 0
    for r in records:
        batch.append(r)
        size += _size(r)
        if len(batch) >= AT_ONCE or size >= AT_ONCE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(record: Record) -> int:
    return len(record.key or b"") + len(record.value or b"")


class Keys:
    """Keys of events by their position, of those that were copied lately and of any other that is asked for."""

    def __init__(self, reader: LogArchive, plan: Plan) -> None:
        self._reader = reader
        self._plan = plan
        self._kept: dict[Position, bytes | None] = {}

    def remember(self, record: Record) -> None:
        """Keep it for its label."""
        if self._plan.labels in self._plan.topics and record.topic != self._plan.labels:
            self._kept[record.position] = record.key
            if len(self._kept) > REMEMBERED:
                del self._kept[next(iter(self._kept))]

    def of(self, position: Position) -> bytes | None:
        """The key, None where the event has none. Raises `KeyError` where it isn't there, or not any more."""
        if position in self._kept:
            return self._kept[position]
        topic, partition, offset = position
        if topic not in self._plan.topics:
            raise KeyError(position)
        try:
            low, high = self._reader.watermarks((topic, partition))
            is_there = low <= offset < high  # else a reader would wait for it
            found = [r.key for r in self._reader.read(topic, partition, offset, offset + 1)] if is_there else []
        except RivergateError as e:
            if e.retryable:
                raise
            found = []
        if not found:
            _LOG.info("the event %s of a label isn't there, or not any more", position)
            raise KeyError(position)
        return found[0]
