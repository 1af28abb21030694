"""From when on a shard can be replayed: what journal, snapshots and inputs still hold together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import BadInput, SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.domain.record import TopicPartition
from rivergate.kernel.past import Entry, joint_of, journal_entries, newest_entry
from rivergate.kernel.recovery import recovery_starts
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.ports import LogArchive


@dataclass(frozen=True, slots=True)
class Reach:
    """`first` is the earliest commit that can be folded again, `newest` the last one; None where there is none.

    `since` is the clock there. `start` is the snapshot that such a replay begins with (None: from nothing), `needs`
    the offset of each input that it reads from. `recovery` and `recovery_needs` are the same for a shard that dies now
    and is taken over by the spec's code.
    """

    stage: str
    shard: int
    newest: int | None
    first: int | None = None
    since: Micros = 0
    start: SnapshotRef | None = None
    needs: Mapping[TopicPartition, int] = field(default_factory=dict)
    recovery: SnapshotRef | None = None
    recovery_needs: Mapping[TopicPartition, int] = field(default_factory=dict)
    why: str = ""


def reach(spec: ShardSpec, archive: LogArchive, snapshots: SnapshotStore) -> Reach:
    """Find the earliest start from which nothing is missing, the beginning itself or a snapshot."""
    newest = newest_entry(spec, archive)
    if newest is None:
        return Reach(spec.stage, spec.shard, None, why="it has no commits yet")
    begins = next(journal_entries(spec, archive))[0]
    recovery = next(recovery_starts(spec, newest, snapshots, archive), None)
    found = Reach(
        spec.stage,
        spec.shard,
        newest[0].seq,
        recovery=recovery.ref if recovery else None,
        recovery_needs=_needs(spec, archive, recovery.snapshot.standing if recovery else Standing()),
        why=f"the journal begins at commit {begins.seq}, and no snapshot leads on from what the inputs still hold",
    )
    lost = _lost_model(begins, snapshots)
    if lost:
        found = replace(found, why=lost)
    beginning: list[tuple[SnapshotRef | None, Standing]] = [] if lost else [(None, Standing())]
    for ref, standing in chain(beginning, _standings(spec, archive, snapshots)):
        if begins.seq > standing.seq or standing.seq > newest[0].seq + 1:
            continue
        needs = _needs(spec, archive, standing)
        if all(archive.watermarks(tp)[0] <= at for tp, at in needs.items()):
            since = standing.clock if ref else parse_rfc3339(begins.clock)
            return replace(found, first=standing.seq, since=since, start=ref, needs=needs, why="")
    return found


def _lost_model(begins: CommitRecord, snapshots: SnapshotStore) -> str:
    """Why the model that the shard began with can't be adopted again; empty where it can, or where there is none."""
    if begins.adopted is None:
        return ""
    try:
        snapshots.models.get(begins.adopted.digest)
    except BadInput as e:
        return f"it began with a model: {e.where}: {e.what}"
    return ""


def _standings(
    spec: ShardSpec, archive: LogArchive, snapshots: SnapshotStore
) -> Iterator[tuple[SnapshotRef, Standing]]:
    """Of the snapshots that a replay may begin with, oldest first."""
    for ref in snapshots.stored():
        try:
            snapshot = snapshots.get(ref)
        except SnapshotCorrupt:
            continue
        joint = joint_of(spec, archive, snapshot.standing)
        if joint is not None and not joint.refusal(ref, snapshot.code):
            yield ref, snapshot.standing


def _needs(spec: ShardSpec, archive: LogArchive, standing: Standing) -> dict[TopicPartition, int]:
    """The first offset of each input that a replay from here reads. Of one that was not read yet, the journal tells."""
    needs = {tp: standing.positions.get(tp, 0) for tp in spec.inputs}
    unread = {tp for tp in spec.inputs if tp not in standing.positions and archive.watermarks(tp)[0] > 0}
    if not unread:
        return needs
    entries: Iterator[Entry] = journal_entries(spec, archive, standing.journal_offset + 1)
    for record, _ in entries:
        for r in record.ranges:
            tp = (r.topic, r.partition)
            if tp in unread:
                needs[tp] = r.start if record.began is None else r.end
                unread.discard(tp)
        if not unread:
            break
    return {tp: at for tp, at in needs.items() if tp not in unread}
