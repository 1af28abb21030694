"""A shard's states as its snapshots have kept them: what a replay's are held against, since outputs show only what was learnt
once it matters.
"""

from __future__ import annotations

from collections.abc import Callable

from rivergate.domain.errors import SnapshotCorrupt
from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.ports import Fold


class States:
    """States of then, by the commits after which they were taken. One thread."""

    def __init__(self, snapshots: SnapshotStore, make_fold: Callable[[], Fold]) -> None:
        self._snapshots = snapshots
        self._make_fold = make_fold
        self._refs: dict[int, list[SnapshotRef]] = {}
        for ref in snapshots.stored():
            self._refs.setdefault(ref.seq, []).append(ref)

    def difference(self, recorded: CommitRecord, fold: Fold) -> str | None:
        """How the fold's state after a commit differs from that of then: empty where it doesn't, None where nothing tells."""
        then = self._state(recorded)
        if then is None:
            return None
        return state_difference(recorded.seq, then, fold.dump(), fold.digest, self._make_fold)

    def digest(self, recorded: CommitRecord) -> str | None:
        """That of the state of then; None where nothing tells, or the present code can't read it."""
        then = self._state(recorded)
        if then is None:
            return None
        kept = self._make_fold()
        try:
            kept.load(then)
        except SnapshotCorrupt:
            return None
        return kept.digest()

    def _state(self, recorded: CommitRecord) -> bytes | None:
        """Only that of the code that made the commit counts, in this very log."""
        for ref in self._refs.get(recorded.seq, ()):
            try:
                snapshot = self._snapshots.get(ref)
            except SnapshotCorrupt:  # that is said where one is begun from
                continue
            if (snapshot.code, snapshot.standing.digest) == (recorded.code, recorded.digest):
                return snapshot.state
        return None


def state_difference(
    seq: int, then: bytes, now: bytes, digest_now: Callable[[], str], make_fold: Callable[[], Fold]
) -> str:
    """Empty where both are equal, or have one digest: equal states may be written differently, but seldom are."""
    if then == now:
        return ""
    kept = make_fold()
    try:
        kept.load(then)
    except SnapshotCorrupt as e:
        return f"the state after commit {seq} can't be compared with its snapshot: {e.what}"
    return differing(seq, kept.digest(), digest_now())


def differing(seq: int, then: str, now: str) -> str:
    """Empty where the digests are equal."""
    return "" if then == now else f"the state after commit {seq} is {now[:12]} and was {then[:12]}"
