"""Notes on how far a copy is, written in the transactions that copy: the copy's only memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rivergate.adapters.kafka_copy import Copy, KafkaCopier
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.errors import ConfigError
from rivergate.domain.journal import Range
from rivergate.domain.record import Headers, TopicPartition
from rivergate.domain.wire import RekeyedRecord
from rivergate.kernel.holding import Copied
from rivergate.ports import Clock, LogArchive
from rivergate.runtime.rekey.plan import Plan


def noted(plan: Plan, reader: LogArchive) -> RekeyedRecord | None:
    """How far the copy is. Raises `ConfigError` where another app, or other topics, are copied into this one."""
    copied = Copied(reader, plan.rekey)
    copied.look()
    newest = copied.newest
    if newest is not None and (newest.of, newest.topics) != (plan.of, dict(plan.topics)):
        raise ConfigError(
            f"{newest.of} is copied into {plan.to}, topics {', '.join(newest.topics)}; now asked for: {plan.of}, "
            f"{', '.join(plan.topics)}",
            remedy="ask for the same as before, or give the new app another name",
        )
    return newest


def first_note(plan: Plan, reader: LogArchive, by: str) -> RekeyedRecord:
    """Nothing is copied yet."""
    lows = {tp: reader.watermarks(tp)[0] for t in plan.topics for tp in reader.partitions(t)}
    return RekeyedRecord(
        of=plan.of, topics=dict(plan.topics), positions=listed(lows), ends=(), records=0, bytes=0, missed=0, by=by,
        at=rfc3339(0),
    )  # fmt: skip


def write_note(
    copier: KafkaCopier,
    plan: Plan,
    note: RekeyedRecord,
    by: str,
    clock: Clock,
    copies: Sequence[Copy] = (),
) -> RekeyedRecord:
    """Write copies and the note that says how far they go; returns it as it was written."""
    now = clock()
    written = note

    def of(ends: Mapping[TopicPartition, int]) -> tuple[bytes, bytes, Headers]:
        nonlocal written
        known = {(t, p): o for t, p, o in note.ends} | dict(ends)
        written = note.model_copy(update={"ends": listed(known), "by": by, "at": rfc3339(now)})
        source = names.source(plan.to, "operator")
        value = written.model_dump_json(exclude_none=True).encode()
        return plan.of.encode(), value, event_headers(source, names.REKEYED_V1, f"{plan.of}/{now}", now)

    copier.write(copies, of)
    return written


def left(newest: RekeyedRecord, reader: LogArchive) -> tuple[list[Range], RekeyedRecord]:
    """What is still to be copied, and the note with what retention has removed before its turn came, which is passed."""
    ranges, passed = [], []
    for topic, partition, at in newest.positions:
        low, high = reader.watermarks((topic, partition))
        start = max(low, at)
        passed.append(Range(topic, partition, at, start))
        if start < high:
            ranges.append(Range(topic, partition, start, high))
    missed = newest.missed + sum(r.end - r.start for r in passed)
    return ranges, beyond(newest, passed).model_copy(update={"missed": missed})


def beyond(newest: RekeyedRecord, ranges: Sequence[Range]) -> RekeyedRecord:
    """The note with these ranges behind it, transaction markers included; it isn't written for that alone."""
    at = {(t, p): o for t, p, o in newest.positions} | {(r.topic, r.partition): r.end for r in ranges}
    return newest.model_copy(update={"positions": listed(at)})


def listed(offsets: Mapping[TopicPartition, int]) -> tuple[tuple[str, int, int], ...]:
    """As they stand in a note."""
    return tuple((t, p, o) for (t, p), o in sorted(offsets.items()))
