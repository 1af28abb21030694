"""Replay: a shard folded again from nothing over the order that its journal recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rivergate.domain.errors import ReplayMismatch, SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.kernel.journal_line import commit_of, warn
from rivergate.kernel.recovery import Progress, fold_again, silent
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.ports import Fold, LogReader


@dataclass(frozen=True, slots=True)
class ShardReplay:
    """What a replay found. `difference` is empty where everything was identical.

    `state_digest` is that of the state folded again at the newest snapshot; it was compared with the digest of
    the snapshot's own state if `compared_state` (a shard without a snapshot has none to compare with). `strays` say
    which lines of the journal were passed over, since they aren't commit records of the shard.
    """

    stage: str
    shard: int
    commits: int
    digest: str
    state_digest: str
    compared_state: bool
    difference: str = ""
    strays: tuple[str, ...] = ()


def replay_shard(
    spec: ShardSpec,
    reader: LogReader,
    make_fold: Callable[[], Fold],
    snapshots: SnapshotStore,
    progress: Progress = silent,
) -> tuple[ShardReplay, Fold]:
    """Fold a whole shard again, outputs muted, and compare every commit's digest and the newest snapshot's state.

    Touches nothing of the running system. Returns what it found and the state that it reached.
    """
    strays: list[str] = []
    found, fold = _replayed(spec, _journal(spec, reader, strays), reader, make_fold, snapshots, progress)
    for stray in strays:
        warn(stray)
    return replace(found, strays=tuple(strays)), fold


def _journal(spec: ShardSpec, reader: LogReader, strays: list[str]) -> list[tuple[CommitRecord, int]]:
    lines = [(commit_of(spec, r.value or b"", r.offset, strays.append), r.offset) for r in reader.scan(*spec.journal)]
    return [(record, offset) for record, offset in lines if record is not None]


def _replayed(
    spec: ShardSpec,
    journal: Sequence[tuple[CommitRecord, int]],
    reader: LogReader,
    make_fold: Callable[[], Fold],
    snapshots: SnapshotStore,
    progress: Progress,
) -> tuple[ShardReplay, Fold]:
    fold = make_fold()
    standing = Standing()
    newest = journal[-1][0].snapshot if journal else None
    state_digest = ""
    for done, (recorded, offset) in enumerate(journal, 1):
        if recorded.seq != standing.seq:
            return _differs(spec, standing, f"the journal begins at {recorded.seq}: it was trimmed", fold)
        try:
            standing = fold_again(spec, recorded, offset, fold, standing, reader)
        except ReplayMismatch as e:
            return _differs(spec, standing, e.what, fold)
        if newest is not None and recorded.seq == newest.seq:
            state_digest = fold.digest()
        progress(done, len(journal))
    if newest is None:
        return ShardReplay(
            spec.stage, spec.shard, standing.seq, standing.digest, fold.digest(), compared_state=False
        ), fold
    difference = _compare_state(newest, state_digest, make_fold, snapshots)
    found = ShardReplay(
        spec.stage, spec.shard, standing.seq, standing.digest, state_digest, compared_state=True, difference=difference
    )
    return found, fold


def _compare_state(
    newest: SnapshotRef, state_digest: str, make_fold: Callable[[], Fold], snapshots: SnapshotStore
) -> str:
    """Empty where the snapshot's state has the digest that the replay reached."""
    kept = make_fold()
    try:
        kept.load(snapshots.get(newest).state)
    except SnapshotCorrupt as e:
        return f"the newest snapshot can't be compared: {e}"
    recorded = kept.digest()
    return (
        ""
        if recorded == state_digest
        else f"state at {newest.seq} is {state_digest[:12]}, the snapshot has {recorded[:12]}"
    )


def _differs(spec: ShardSpec, standing: Standing, difference: str, fold: Fold) -> tuple[ShardReplay, Fold]:
    found = ShardReplay(
        spec.stage, spec.shard, standing.seq, standing.digest, "", compared_state=False, difference=difference
    )
    return found, fold
