"""A shard's past: the state as it was before any commit, from the newest snapshot not after it and the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise, takewhile

from rivergate.domain.errors import RecordFailed, ReplayMismatch, RivergateError, SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.domain.record import Output, Position, Record
from rivergate.kernel.journal_line import commit_of, warn
from rivergate.kernel.recovery import Progress, batch_of, commit_again, is_same, outputs_again, records_of, silent
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.ports import Fold, LogArchive, Outputs

Entry = tuple[CommitRecord, int]
"""A commit record and its offset in the journal."""


class NothingToReplay(RivergateError):
    """What a replay would need is no longer there, or was never there."""


@dataclass(frozen=True, slots=True)
class Step:
    """A commit that was folded again, and what it would write. `failure` says why it couldn't be; then `again` is None."""

    recorded: CommitRecord
    outputs: Sequence[Output]
    again: CommitRecord | None
    failure: str = ""

    @property
    def digest(self) -> str:
        """What it hashes to now."""
        return "" if self.again is None else self.again.digest

    @property
    def identical(self) -> bool:
        """Whether it comes out as the journal says."""
        return self.again is not None and is_same(self.recorded, self.again)


class Past:
    """Folds a shard's recorded commits again, outputs muted. Touches nothing of the running system. One thread.

    `standing` and `fold` are those after the newest commit that was folded, `start` the snapshot that it began
    with (None: from nothing), `folded` how many commits it took so far, `code` the code that made the newest of them, or took
    the snapshot, `notes` what had to be passed over.
    """

    def __init__(
        self, spec: ShardSpec, archive: LogArchive, make_fold: Callable[[], Fold], snapshots: SnapshotStore
    ) -> None:
        self.spec = spec
        self.archive = archive
        self.snapshots = snapshots
        self.standing = Standing()
        self.start: SnapshotRef | None = None
        self.folded = 0
        self.code = ""
        self.notes: list[str] = []
        self.fold = make_fold()
        self.make_fold = make_fold
        self._entries: Iterator[Entry] | None = None
        self._next: Entry | None = None
        self._newest: CommitRecord | None = None

    def go_before(self, seq: int, *, but_not_from: Callable[[Standing], bool] = lambda _: False) -> None:
        """Stand where the least has to be folded to reach commit `seq`: where it stands already, at a snapshot, or at
        the very beginning. `but_not_from` refuses snapshots. Raises `NothingToReplay`.
        """
        stands = self._entries is not None and self.standing.seq <= seq
        looked = False
        for ref in self.snapshots.older_than(seq):
            if stands and ref.seq < self.standing.seq:
                break
            looked = True
            if self._start_from(ref, but_not_from):
                return
        if not stands:
            self._start_from_nothing(seq)
        elif looked:
            self._read_on()

    def peek(self) -> Entry | None:
        """The next commit, or None after the newest."""
        if self._next is None and self._entries is not None:
            self._next = next(self._entries, None)
        return self._next

    def step(self) -> Step:
        """Fold the next commit again. After a failure the object is of no further use."""
        entry = self.peek()
        if entry is None:
            raise NothingToReplay(
                f"the newest commit of {self.spec.name} is {self.standing.seq - 1}", remedy="ask for an earlier one"
            )
        recorded, offset = entry
        if recorded.seq != self.standing.seq:
            raise NothingToReplay(
                f"the journal of {self.spec.name} has no record of commit {self.standing.seq}",
                where=f"{self.spec.journal[0]}/{self.spec.shard}/{offset}",
                remedy="restore the journal topic, or ask for what came after the gap",
            )
        self._next, self._newest = None, recorded
        try:
            outputs = outputs_again(self.spec, recorded, self.fold, self.archive, self.snapshots.models)
        except RecordFailed as e:
            return Step(recorded, [], None, failure=f"{e.where}: {e.reason}" if e.where else e.reason)
        again = commit_again(self.spec, recorded, self.standing, outputs)
        self.standing = self.standing.after(recorded, offset)
        self.code = recorded.code
        self.folded += 1
        return Step(recorded, again.outputs, again.record)

    def go_to(self, seq: int, progress: Progress = silent) -> None:
        """Stand before commit `seq`. Raises `ReplayMismatch` where a commit on the way comes out otherwise, since the
        state would be another one than it was then.
        """
        self.go_before(seq)
        first = self.standing.seq
        while self.standing.seq < seq:
            step = self.step()
            if not step.identical:
                raise ReplayMismatch(
                    f"folding commit {step.recorded.seq} of {self.spec.name} again gives something else than recorded"
                    + (f": {step.failure}" if step.failure else ""),
                    remedy=f"`rivergate replay --shard {self.spec.name} --to {step.recorded.seq}` shows the difference; "
                    "take the code that ran then",
                )
            progress(self.standing.seq - first, seq - first)

    def fold_up_to(self, position: Position) -> CommitRecord:
        """Fold of the next commit what it handled before the record at `position`, and say which commit it is.

        The fold is then as it was when that record came; the object is of no further use.
        """
        entry = self.peek()
        recorded = None if entry is None else entry[0]
        if recorded is None or not holds(recorded, position):
            raise NothingToReplay(f"commit {self.standing.seq} of {self.spec.name} didn't read {position}")
        before: list[Record] = []
        for record in records_of(recorded, self.archive):
            if record.position == position:
                break
            if record.position not in recorded.skipped:
                before.append(record)
        batch = batch_of(self.spec, recorded)
        self.fold.fold(batch, before, Outputs())
        return recorded

    def go_behind_deployment(self, last: int) -> SnapshotRef | None:
        """Stand where other code went on, before commit `last` or at it, with the snapshot that a drain had left for it; also
        after a failure. None where there is none: then the object is of no further use.
        """
        entries = self.journal(self.standing.journal_offset + 1)
        following = [record for record, _ in takewhile(lambda entry: entry[0].seq <= last, entries)]
        for before, after in pairwise([self._newest, *following] if self._newest is not None else following):
            ref = before.snapshot
            is_drained = ref is not None and ref.seq == before.seq
            if ref is not None and is_drained and after.code != before.code and self._start_from(ref, lambda _: False):
                return ref
        return None

    def journal(self, start: int = 0) -> Iterator[Entry]:
        """The commit records from an offset of the journal on, as far as they are there."""
        return journal_entries(self.spec, self.archive, start, self._note)

    def _read_on(self) -> None:
        """Read the journal anew from where it stands: a reader may have one stream a partition, and a look at a snapshot that
        was refused has moved it.
        """
        entries = self.journal(self.standing.journal_offset + 1)
        self._next = None
        self._entries = dropwhile(lambda entry: entry[0].seq < self.standing.seq, entries)

    def _note(self, stray: str) -> None:
        note = f"passed over: {stray}"
        if note not in self.notes:
            self.notes.append(note)

    def _start_from(self, ref: SnapshotRef, refused: Callable[[Standing], bool]) -> bool:
        try:
            snapshot = self.snapshots.get(ref)
            if refused(snapshot.standing):
                return False
            joint = joint_of(self.spec, self.archive, snapshot.standing, self._note)
            why = "of another log" if joint is None else joint.refusal(ref, snapshot.code)
            if joint is None or why:
                self.notes.append(f"the snapshot after commit {ref.seq} is {why}: passed over")
                return False
            fold = self.make_fold()
            fold.load(snapshot.state)
        except SnapshotCorrupt as e:
            self.notes.append(f"the snapshot after commit {ref.seq} was passed over: {e.what}")
            return False
        self.fold, self.standing, self.start, self.code = fold, snapshot.standing, ref, snapshot.code
        self._next, self._entries = joint.after, joint.rest
        return True

    def _start_from_nothing(self, wanted: int) -> None:
        entries = self.journal()
        first = next(entries, None)
        if first is None:
            raise NothingToReplay(f"{self.spec.name} has no commits yet", where=self.spec.journal[0])
        if first[0].seq != 0:
            raise NothingToReplay(
                f"commit {wanted} of {self.spec.name} can't be replayed: its journal begins at {first[0].seq}, and no "
                "snapshot from before that commit can be read",
                remedy="`rivergate doctor --app` says from when on each shard can be replayed",
            )
        self.fold, self.standing, self.start = self.make_fold(), Standing(), None
        self._next, self._entries = first, entries


@dataclass(frozen=True, slots=True)
class Joint:
    """Where a snapshot stands in the journal: between the commit `before` it and the one `after` it, as far as they are
    there, and `rest` is what follows.
    """

    before: CommitRecord | None
    after: Entry | None
    rest: Iterator[Entry]

    def refusal(self, ref: SnapshotRef, code: str) -> str:
        """Why the shard never went on with a state that this code stored; empty where it did: what follows is of that code, or
        a commit beside it names it. Code that was accepted makes its own of all that came before, and may end before it
        commits.
        """
        beside = [r for r in (self.before, self.after and self.after[0]) if r is not None]
        went_on = beside[-1].code == code or any(r.snapshot == ref for r in beside)
        return "" if went_on else "of code that the shard didn't go on with"


def joint_of(
    spec: ShardSpec, archive: LogArchive, standing: Standing, tell: Callable[[str], None] = warn
) -> Joint | None:
    """Find it; None where the chain of this journal doesn't lead through the snapshot's standing."""
    if standing.journal_offset >= archive.watermarks(spec.journal)[1]:
        return None
    entries = journal_entries(spec, archive, max(0, standing.journal_offset), tell)
    before, after = None, next((e for e in entries if e[0].seq >= standing.seq - 1), None)
    if after is not None and after[0].seq == standing.seq - 1:
        before, after = after[0], next(entries, None)
        leads = before.digest
    else:
        leads = after[0].previous if after is not None else ""
    return Joint(before, after, entries) if leads == standing.digest else None


def holds(recorded: CommitRecord, position: Position) -> bool:
    """Whether a commit has read the record at a position."""
    topic, partition, offset = position
    return recorded.began is None and any(
        (r.topic, r.partition) == (topic, partition) and r.start <= offset < r.end for r in recorded.ranges
    )


def journal_entries(
    spec: ShardSpec, archive: LogArchive, start: int = 0, tell: Callable[[str], None] = warn
) -> Iterator[Entry]:
    """Commit records of a shard's journal from an offset on, with their offsets; lines that are none are passed over."""
    for r in archive.scan(*spec.journal, start):
        recorded = commit_of(spec, r.value or b"", r.offset, tell)
        if recorded is not None:
            yield recorded, r.offset


def newest_entry(spec: ShardSpec, archive: LogArchive) -> Entry | None:
    """The newest commit record of a shard, found by looking back from the journal's end; None where there is none."""
    low, high = archive.watermarks(spec.journal)
    step, start = 16, high
    while start > low:
        start = max(low, high - step)
        newest = None
        for newest in journal_entries(spec, archive, start):  # noqa: B007 - the last one is wanted
            pass
        if newest is not None:
            return newest
        step *= 4
    return None
