"""Which snapshots a shard went on with, by the commits beside them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from rivergate.domain.journal import CommitRecord, SnapshotRef
from rivergate.kernel.past import Joint

REF, OTHER = SnapshotRef("d" * 64, 7), SnapshotRef("e" * 64, 7)


def commit(code: str, names: SnapshotRef | None = None) -> CommitRecord:
    """As much of a commit record as counts here."""
    return cast("CommitRecord", SimpleNamespace(code=code, snapshot=names))


@pytest.mark.parametrize(
    ("before", "after", "went_on"),
    [
        (commit("a"), commit("a"), True),
        (commit("a"), None, True),
        (None, commit("a"), True),
        (commit("a", REF), commit("b"), True),  # a drain, and other code
        (commit("b"), commit("b", REF), True),
        (commit("a"), commit("b", OTHER), False),  # killed before it named it; accepted code made one of its own
        (commit("b"), commit("b"), False),
        (commit("b"), None, False),
    ],
)
def test_a_state_is_the_shards_if_it_went_on_with_it(
    before: CommitRecord | None, after: CommitRecord | None, *, went_on: bool
) -> None:
    """What follows says so; what came before says so only where nothing follows."""
    joint = Joint(before, None if after is None else (after, 8), iter(()))
    assert (joint.refusal(REF, "a") == "") is went_on
