from __future__ import annotations

import pytest

from rivergate.kernel.pace import SnapshotPace
from rivergate.kernel.tools import Limits


@pytest.mark.parametrize(
    ("replay_s", "shards", "part_s"),
    [(1.0, 1, 1.0), (1.0, 2, 0.5), (1.0, 4, 0.25), (1.0, 40, 0.25), (0.1, 4, 0.1), (0.0, 4, 0.0), (1.0, 0, 1.0)],
)
def test_the_shards_of_a_worker_share_what_a_takeover_may_replay(replay_s: float, shards: int, part_s: float) -> None:
    """A spare replays all of them in one interpreter; none is asked for snapshots all the time."""
    pace = SnapshotPace(Limits(replay_s=replay_s, snapshot_share=1.0), lambda: shards, lambda: 0.0)
    if part_s:
        pace.folded(part_s - 0.001)
        assert not pace.is_due()
    pace.folded(0.002)
    assert pace.is_due()


def test_a_shard_that_comes_makes_the_others_parts_smaller() -> None:
    """From then on: the number is asked for whenever it matters."""
    shards = 1
    pace = SnapshotPace(Limits(replay_s=1.0, snapshot_share=1.0), lambda: shards, lambda: 0.0)
    pace.folded(0.6)
    assert not pace.is_due()
    shards = 2
    assert pace.is_due()


def test_a_snapshots_cost_stays_bounded_however_small_the_part() -> None:
    """At most `share` of the time goes into them."""
    pace = SnapshotPace(Limits(snapshot_share=0.01), lambda: 4, lambda: 0.0)
    pace.taken(started=-1e9)
    pace.folded(10.0)
    assert not pace.is_due()
