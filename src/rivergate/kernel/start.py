"""What has to agree before a shard consumes: journal, committed offsets, and the log itself."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BrokerUnavailable, Fenced, ShardParked
from rivergate.domain.journal import Began, CommitRecord, Range
from rivergate.domain.record import TopicPartition
from rivergate.kernel.journal_line import commit_of
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import ShardLog

VISIBLE_S = 15.0


def newest_commit(log: ShardLog, spec: ShardSpec) -> tuple[CommitRecord, int] | None:
    """The newest commit record of the shard's journal and its offset. Only after the predecessor has been fenced.

    Lines behind it that are none of this shard's are passed over with a warning.
    """
    tail = log.journal_tail()
    while tail is not None:
        raw, offset = tail
        record = commit_of(spec, raw, offset)
        if record is not None:
            return record, offset
        tail = log.journal_tail(before=offset)
    return None


def newest_commit_from(log: ShardLog, spec: ShardSpec, seq: int) -> tuple[CommitRecord, int] | None:
    """Like `newest_commit`, for an owner that has committed `seq` itself (-1: nothing yet).

    A broker answers a commit before it has written the transaction's markers, and until then nobody sees it. Whoever
    went on from what is seen would commit under the same number again, with a state that lacks what it did before.
    Each look is a question to the broker, so there is no pause between them. Raises `BrokerUnavailable`.
    """
    deadline = time.monotonic() + VISIBLE_S
    while True:
        newest = newest_commit(log, spec)
        if seq < 0 or (newest is not None and newest[0].seq >= seq):
            return newest
        if time.monotonic() > deadline:
            raise BrokerUnavailable(
                f"commit {seq} of {spec.name} was answered, but isn't to be seen after {VISIBLE_S:.0f} s",
                where=f"{spec.journal[0]}/{spec.shard}",
                remedy="see the broker's log; the shard goes on once the commit is there",
            )


def check_positions(log: ShardLog, spec: ShardSpec, standing: Standing) -> dict[TopicPartition, int]:
    """Where to read on. The journal is the authority: a missing committed offset is restored from it by the next
    commit, a differing one stops the shard, unless it is another owner's, who has committed since we looked. Raises
    `ShardParked`, `Fenced`.
    """
    own = [tp for tp in spec.inputs if tp[0] not in spec.broadcast]
    committed = log.committed(own)
    positions = {}
    for tp in spec.inputs:
        low, high = log.watermarks(tp)
        at = standing.positions.get(tp, low)
        _check_watermarks(spec, tp, at, low, high, standing.began)
        found = committed.get(tp)
        recorded = standing.positions.get(tp)
        if found is not None and found[0] != recorded:
            newest = newest_commit(log, spec)
            if newest is not None and newest[0].seq >= standing.seq:
                raise Fenced(
                    f"{spec.name}: {newest[0].worker} has committed {newest[0].seq} since the journal was read"
                )
            raise ShardParked(
                f"{spec.name}: group {spec.group} has committed {tp[0]}/{tp[1]} up to {found[0]}, the journal "
                f"{'nothing of it' if recorded is None else f'up to {recorded}'}",
                remedy=f"somebody moved the group's offsets: delete them (`kafka-consumer-groups --delete-offsets "
                f"--group {spec.group} --topic {tp[0]}`), and the shard goes on from its journal",
            )
        positions[tp] = at
    return positions


def refuse_what_was_read(spec: ShardSpec, standing: Standing, ranges: Iterable[Range]) -> None:
    """The last guard against doing something twice: a batch never reaches back behind where the shard stands."""
    for r in ranges:
        at = standing.positions.get((r.topic, r.partition))
        if at is not None and r.start < at:
            raise ShardParked(
                f"{spec.name}: the log gave {r.topic}/{r.partition} from {r.start} on, which was read up to {at}",
                remedy="this is a fault of rivergate: please report it with the shard's log file",
            )


def refuse_clock_ahead(spec: ShardSpec, standing: Standing, appended_ms: int, limit_s: float) -> None:
    """A machine whose clock runs ahead of the broker's would fire deadlines early. Raises `ShardParked`."""
    ahead_s = standing.clock / 1e6 - appended_ms / 1e3
    if appended_ms > 0 and ahead_s > limit_s:
        raise ShardParked(
            f"{spec.name}: this machine's clock is {ahead_s:.0f} s ahead of the broker's",
            remedy="set the clocks right (NTP), wait until the broker's clock has passed "
            f"{rfc3339(standing.clock)}, then `rivergate shards resume {spec.name}`",
        )


def _check_watermarks(spec: ShardSpec, tp: TopicPartition, at: int, low: int, high: int, began: Began | None) -> None:
    if at > high:
        raise ShardParked(
            f"{spec.name} has read {tp[0]}/{tp[1]} up to {at}, but the log ends at {high}: this is another log",
            remedy="point the app at the broker (or the restored topics) that its journal belongs to",
        )
    if at < low and not _is_past(began, tp, at):
        raise ShardParked(
            f"{spec.name} has read {tp[0]}/{tp[1]} up to {at}, but retention has removed everything before {low}",
            remedy="raise the topic's retention; to go on without the lost records, start the app under a new name",
        )


def _is_past(began: Began | None, tp: TopicPartition, at: int) -> bool:
    """Whether what stands at a position is history, none of which was to be acted on."""
    return began is not None and any((r.topic, r.partition) == tp and at < r.end for r in began.past)
