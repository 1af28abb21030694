"""Recovery: newest snapshot, then the recorded ranges folded again with outputs muted, checked against the chain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import ReplayMismatch, ShardParked, SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.domain.record import Output, Record
from rivergate.kernel.commit import Prepared, dead_letter, prepare
from rivergate.kernel.journal_line import commit_of
from rivergate.kernel.models import ModelStore, adopt
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import Snapshot, SnapshotStore
from rivergate.ports import Batch, Fold, LogReader, Outputs

_LOG = logging.getLogger("rivergate.kernel")

Commits = Iterator[tuple[CommitRecord, int]]
"""Commit records with their offsets, in order."""

Progress = Callable[[int, int], None]
"""Called with (commits replayed, commits in all)."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A shard's state as of its newest commit. `replayed` commits were folded again to get there, the first of them one of
    `since`. The standing's snapshot is the one that the newest commit record names, unless it isn't `named`: then the next
    one has to name it.
    """

    fold: Fold
    standing: Standing
    replayed: int = 0
    named: bool = True
    since: Micros = 0


@dataclass(frozen=True, slots=True)
class Start:
    """A snapshot that holds, and the commits that follow. It isn't `named` if the newest commit record came before it."""

    ref: SnapshotRef
    snapshot: Snapshot
    named: bool
    following: Commits


def silent(done: int, total: int) -> None:
    """No progress is shown."""


def recover(
    spec: ShardSpec,
    newest: tuple[CommitRecord, int] | None,
    snapshots: SnapshotStore,
    reader: LogReader,
    make_fold: Callable[[], Fold],
    progress: Progress = silent,
) -> Recovered:
    """State and standing after the journal's newest record (`newest` with its offset), or a fresh shard's.

    A snapshot that doesn't hold is passed over for an older one, and said; without any the whole journal is
    replayed. Raises `ShardParked` where the code has changed and nobody accepted it, or where a replay gives
    something else than recorded.
    """
    if newest is None:
        return Recovered(make_fold(), Standing())
    record, _ = newest
    fold, standing, following, named = _begin(spec, newest, snapshots, reader, make_fold)
    snapshot = record.snapshot if named else standing.snapshot
    changed = record.code != spec.code and standing.seq <= record.seq
    if changed and spec.accept_new_code is None:
        raise ShardParked(
            f"{spec.name} was last run by other code ({record.code[:12]}, now {spec.code[:12]}) and has no snapshot "
            f"of its newest commit {record.seq} that this code can read",
            remedy="stop the old code with a drain (SIGTERM) first, or start with --accept-new-code WHO:WHY",
        )
    total = record.seq + 1 - standing.seq
    done, since = 0, 0
    for recorded, at in following:
        if recorded.seq != standing.seq:
            break
        check = recorded.code == spec.code or spec.accept_new_code is None
        try:
            standing = fold_again(spec, recorded, at, fold, standing, reader, snapshots.models, check=check)
        except ReplayMismatch as e:
            raise ShardParked(e.what, where=e.where, remedy=e.remedy) from e
        since = since or standing.clock
        done += 1
        progress(done, total)
    if standing.seq != record.seq + 1:
        raise ShardParked(
            f"{spec.name}: the journal has no records from {standing.seq} to {record.seq}",
            remedy="restore the journal topic, or a snapshot that is newer than the gap",
        )
    return Recovered(fold, replace(standing, snapshot=snapshot), done, named, since)


def fold_again(
    spec: ShardSpec,
    recorded: CommitRecord,
    journal_offset: int,
    fold: Fold,
    standing: Standing,
    reader: LogReader,
    models: ModelStore,
    *,
    check: bool = True,
) -> Standing:
    """Fold one recorded commit with outputs muted; returns the standing after it.

    With `check` the outputs must hash to what the journal says. Raises `ReplayMismatch`.
    """
    outputs = outputs_again(spec, recorded, fold, reader, models)
    if check:
        again = commit_again(spec, recorded, standing, outputs).record
        if not is_same(recorded, again):
            raise ReplayMismatch(
                f"folding commit {recorded.seq} of {spec.name} again gives {_brief(again)}, "
                f"the journal says {_brief(recorded)}",
                where=f"{spec.journal[0]}/{spec.shard}/{journal_offset}",
                remedy="something in the agent isn't deterministic (time, randomness, hash order, outside data): mend it, "
                "see it hold in an AgentTest, and start with --accept-new-code WHO:WHY",
            )
    return standing.after(recorded, journal_offset)


def outputs_again(
    spec: ShardSpec, recorded: CommitRecord, fold: Fold, reader: LogReader, models: ModelStore
) -> list[Output]:
    """What folding one recorded commit again gives, with the model that was adopted in it. Raises `RecordFailed` where
    the code fails that didn't then, `BadInput` where the model isn't to be had; what it skips that it didn't then is a
    dead letter that nobody recorded.
    """
    if recorded.adopted is not None:
        adopt(spec, fold, models.get(recorded.adopted.digest))
    handled = records_of(recorded, reader)
    letters: list[Record] = []
    if recorded.skipped:
        skipped = set(recorded.skipped)
        letters = [r for r in handled if r.position in skipped]
        handled = [r for r in handled if r.position not in skipped]
    out = Outputs()
    fold.fold(batch_of(spec, recorded), handled, out)
    letters += [handled[i] for i, _ in out.skipped]
    return [*out.records, *(dead_letter(spec, r, "") for r in letters)]


def is_same(recorded: CommitRecord, again: CommitRecord) -> bool:
    """Whether a commit comes out as it was recorded, with what it wrote and what was muted."""
    return again.digest == recorded.digest and again.muted == recorded.muted


def _brief(record: CommitRecord) -> str:
    muted = f", muted {record.muted.outputs} {record.muted.digest[:12]}" if record.muted else ""
    return f"{record.digest[:12]} (outputs {record.outputs}{muted})"


def records_of(recorded: CommitRecord, reader: LogReader) -> list[Record]:
    """What a commit has read, in its order."""
    found: list[Record] = []
    for r in recorded.ranges if recorded.began is None else ():
        found += reader.read(r.topic, r.partition, r.start, r.end)
    return found


def batch_of(spec: ShardSpec, recorded: CommitRecord) -> Batch:
    """The circumstances of a recorded commit."""
    return Batch(spec.app, spec.stage, spec.shard, recorded.seq, parse_rfc3339(recorded.clock), lambda: 0)


def commit_again(spec: ShardSpec, recorded: CommitRecord, standing: Standing, outputs: Sequence[Output]) -> Prepared:
    """The commit that these outputs make after `standing`, under the code that the recorded one names."""
    return prepare(
        replace(spec, code=recorded.code),
        standing,
        clock=parse_rfc3339(recorded.clock),
        ranges=recorded.ranges,
        outputs=outputs,
        skipped=recorded.skipped,
    )


def recovery_starts(
    spec: ShardSpec, newest: tuple[CommitRecord, int], snapshots: SnapshotStore, reader: LogReader
) -> Iterator[Start]:
    """The snapshots from which a recovery may begin, the best first; what doesn't hold is passed over, and said.

    One that is newer than the named one comes first: its owner died before the next commit, and what lies between may
    be gone. It has to be of the code that made the newest commit and goes on now, since for other code the commit record
    decides: it names what a drain, or whoever accepted the code, has left to go on from.
    """
    for ref, named in _candidates(spec, newest[0], snapshots):
        try:
            snapshot = snapshots.get(ref)
            if named or snapshot.code == spec.code:
                yield Start(ref, snapshot, named, _following(spec, snapshot.standing, newest, reader, ref))
        except SnapshotCorrupt as e:
            _passed_over(spec, ref, e)


def _candidates(spec: ShardSpec, newest: CommitRecord, snapshots: SnapshotStore) -> Iterator[tuple[SnapshotRef, bool]]:
    """Newest first, each with whether it is `named` or older; newer ones only where this code made the newest commit."""
    named = newest.snapshot
    after = -1 if named is None else named.seq
    if spec.code == newest.code and after < newest.seq:
        yield from ((ref, False) for ref in snapshots.older_than(newest.seq + 1) if ref.seq > after)
    if named is not None:
        yield named, True
        yield from ((ref, True) for ref in snapshots.older_than(named.seq))


def _passed_over(spec: ShardSpec, ref: SnapshotRef, e: SnapshotCorrupt) -> None:
    _LOG.warning("snapshot %s of %s: %s", ref.digest[:12], spec.name, e)


def _begin(
    spec: ShardSpec,
    newest: tuple[CommitRecord, int],
    snapshots: SnapshotStore,
    reader: LogReader,
    make_fold: Callable[[], Fold],
) -> tuple[Fold, Standing, Commits, bool]:
    """State and standing of the best start, or a fresh shard's; the commits that follow; whether the start is named."""
    for start in recovery_starts(spec, newest, snapshots, reader):
        fold = make_fold()
        try:
            fold.load(start.snapshot.state)
        except SnapshotCorrupt as e:
            _passed_over(spec, start.ref, e)
            continue
        return fold, replace(start.snapshot.standing, snapshot=start.ref), start.following, start.named
    return make_fold(), Standing(), _journal(spec, reader, 0, newest[1]), True


def _following(
    spec: ShardSpec, standing: Standing, newest: tuple[CommitRecord, int], reader: LogReader, ref: SnapshotRef
) -> Commits:
    """The commits after a snapshot. Raises `SnapshotCorrupt` where the journal's chain doesn't go on from it."""
    record, offset = newest
    first: tuple[CommitRecord, int] | None = None
    commits: Commits = iter(())
    if standing.seq == record.seq + 1:
        before = record.digest
    else:
        commits = (c for c in _journal(spec, reader, standing.journal_offset + 1, offset) if c[0].seq >= standing.seq)
        first = next(commits, None)
        before = first[0].previous if first is not None and first[0].seq == standing.seq else ""
    if before != standing.digest:
        raise SnapshotCorrupt(
            f"isn't of this log: it was taken after {standing.digest[:12]}, "
            f"the journal has {before[:12] or 'nothing'} before commit {standing.seq}",
            where=f"{spec.app}/{spec.name}/{ref.seq}",
            remedy="the shard goes on from an older snapshot or from the log; keep one snapshot store for one log",
        )
    return commits if first is None else chain((first,), commits)


def _journal(spec: ShardSpec, reader: LogReader, start: int, newest: int) -> Commits:
    """Commit records from an offset on, or from where the journal begins, up to that of the newest."""
    if start > newest:
        return
    for r in reader.scan(*spec.journal, start):
        if r.offset > newest:
            return
        record = commit_of(spec, r.value or b"", r.offset)
        if record is not None:
            yield record, r.offset
        if r.offset == newest:
            return
