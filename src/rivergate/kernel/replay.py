"""Replay: a shard's commits folded again over the order that its journal recorded, all of them or a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rivergate.domain.errors import ReplayMismatch, SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, Range, SnapshotRef
from rivergate.kernel.comparing import Compared, Difference, compare
from rivergate.kernel.journal_line import commit_of, warn
from rivergate.kernel.past import Past, Step
from rivergate.kernel.recovery import Progress, fold_again, silent
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.states import States, state_difference
from rivergate.kernel.written import Written
from rivergate.ports import Fold, LogReader

DETAILED = 200
"""So many commits that were asked for are told one by one."""


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
    state, state_digest = b"", ""
    for done, (recorded, offset) in enumerate(journal, 1):
        if recorded.seq != standing.seq:
            return _differs(spec, standing, f"the journal begins at {recorded.seq}: it was trimmed", fold)
        try:
            standing = fold_again(spec, recorded, offset, fold, standing, reader, snapshots.models)
        except ReplayMismatch as e:
            return _differs(spec, standing, e.what, fold)
        if newest is not None and recorded.seq == newest.seq:
            state, state_digest = fold.dump(), fold.digest()
        progress(done, len(journal))
    if newest is None:
        return ShardReplay(
            spec.stage, spec.shard, standing.seq, standing.digest, fold.digest(), compared_state=False
        ), fold
    difference = _compare_state(newest, state, state_digest, make_fold, snapshots)
    found = ShardReplay(
        spec.stage, spec.shard, standing.seq, standing.digest, state_digest, compared_state=True, difference=difference
    )
    return found, fold


def _compare_state(
    newest: SnapshotRef, state: bytes, state_digest: str, make_fold: Callable[[], Fold], snapshots: SnapshotStore
) -> str:
    """Empty where the snapshot's state is the one that the replay reached."""
    try:
        snapshot = snapshots.get(newest)
    except SnapshotCorrupt as e:
        return f"the newest snapshot can't be compared: {e}"
    return state_difference(newest.seq, snapshot.state, state, lambda: state_digest, make_fold)


def _differs(spec: ShardSpec, standing: Standing, difference: str, fold: Fold) -> tuple[ShardReplay, Fold]:
    found = ShardReplay(
        spec.stage, spec.shard, standing.seq, standing.digest, "", compared_state=False, difference=difference
    )
    return found, fold


@dataclass(frozen=True, slots=True)
class ReplayedCommit:
    """A commit that was asked for: what it read and wrote, and both digests."""

    seq: int
    clock: str
    ranges: tuple[Range, ...]
    outputs: dict[str, int]
    recorded: str
    again: str


@dataclass(slots=True)
class ReplayedPart:
    """What the replay of a shard's commits found. `start` is the snapshot that it began with, None for nothing.

    `commits` were compared output by output, `folded` counts those on the way there too, whose digests were compared;
    `gone` are outputs that are no longer on their topics, `states` how often the state was compared with a snapshot's.
    `skipped` are records that the folded commits had set aside: nothing tells whether they would be now. `told` has the newest
    of the compared commits. `superseded` is a difference of commits that other code had made, behind which the replay went on
    from what a drain had left for the next; it is the `difference` too, unless there is one behind it.
    """

    stage: str
    shard: int
    start: SnapshotRef | None = None
    commits: int = 0
    folded: int = 0
    outputs: int = 0
    gone: int = 0
    states: int = 0
    skipped: int = 0
    code: str = ""
    difference: Difference | None = None
    superseded: Difference | None = None
    told: list[ReplayedCommit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether there is a difference that isn't former code's alone: it ends a replay of several shards."""
        return self.difference is not None and self.difference is not self.superseded

    def add(self, step: Step, compared: Compared) -> None:
        """Take a compared commit into account."""
        r = step.recorded
        self.commits += 1
        self.outputs += compared.outputs
        self.gone += compared.gone
        self.difference = compared.difference
        told = ReplayedCommit(r.seq, r.clock, r.ranges, r.outputs, r.digest, step.digest)
        self.told = [*self.told[-DETAILED + 1 :], told]

    def add_state(self, seq: int, difference: str | None) -> None:
        """Take into account how the state after a commit differs; None: it wasn't compared."""
        self.states += difference is not None
        if difference:
            self.difference = Difference(seq, difference)

    def supersede(self, difference: Difference, start: SnapshotRef) -> None:
        """A difference was other code's, and the replay goes on from a snapshot."""
        self.notes.append(
            f"commit {difference.seq}, which code {self.code[:12]} made, comes out otherwise: {difference.what}; the replay "
            f"goes on from the snapshot after commit {start.seq}, with which other code began"
        )
        self.superseded, self.difference = self.superseded or difference, None


def replay_commits(
    past: Past, written: Written, wanted: Sequence[int], progress: Progress = silent, states: States | None = None
) -> ReplayedPart:
    """Fold the `wanted` commits again (ascending), and compare each output with what stands on the topics.

    What lies between is folded too, and compared by its digest; and wherever a snapshot was taken, the state is (with those
    of the past, unless other `states` are given). The first difference ends it; one of commits that other code had made does
    so only if nothing went on with what a drain had left behind it. Raises `NothingToReplay`.
    """
    states = states or States(past.snapshots, past.make_fold)
    found = ReplayedPart(past.spec.stage, past.spec.shard, notes=past.notes)
    first = behind = 0
    code_then = ""
    for done, seq in enumerate(wanted):
        if seq < behind:
            continue
        if past.standing.seq != seq or not done:
            past.go_before(seq)
        if not done:
            found.start = past.start
            first = past.standing.seq
        while past.standing.seq <= seq:
            step = past.step()
            found.folded += 1
            found.skipped += len(step.recorded.skipped)
            found.code = step.recorded.code
            if step.recorded.seq == seq or not step.identical:
                there = written.of(step.recorded, step.outputs)
                compared = compare(past.spec, step, there, partial(written.may_have_lost, step.recorded))
                found.add(step, compared)
            if found.difference is None:
                found.add_state(step.recorded.seq, states.difference(step.recorded, past.fold))
            progress(past.standing.seq - first, wanted[-1] + 1 - first)
            if found.difference is None:
                continue
            start = None if found.code == past.spec.code else past.go_behind_deployment(wanted[-1])
            if start is None:
                return found
            found.supersede(found.difference, start)
            behind, code_then = past.standing.seq, code_then or found.code
    if found.superseded is not None:
        found.difference, found.code = found.superseded, code_then
        found.notes.append(f"what was decided from commit {behind} on comes out as recorded")
    return found
