from __future__ import annotations

import pytest
from tests.unit.kernel.test_past import NEVER, OFTEN, lived
from tests.unit.kernel.transactor_world import NEW_CODE, OLD_CODE, START, World, run

from rivergate.domain.clock import SECOND
from rivergate.kernel.lasting import lasting
from rivergate.kernel.reach import Reach, reach

DAY = 86_400 * SECOND


def reached(world: World) -> Reach:
    """From when on."""
    spec = world.spec()
    return reach(spec, world.broker.reader(), world.store(spec))


def test_a_whole_log_reaches_back_to_the_beginning() -> None:
    """Nothing is needed but the log; a shard that dies now begins with its newest snapshot."""
    found = reached(lived())
    assert (found.first, found.start, found.newest, found.since) == (0, None, 7, START)
    assert found.recovery is not None
    assert (found.recovery.seq, found.recovery_needs) == (7, {("plant-in", 0): 8})


def test_what_is_said_of_a_recovery_is_what_a_recovery_does() -> None:
    """It begins with a snapshot that no commit names yet under the code that took it, under other code with the named one."""
    world = lived()
    named = world.journal()[-1].snapshot
    assert named is not None
    for code, ref, at in ((OLD_CODE, 7, 8), (NEW_CODE, named.seq, 7)):
        spec = world.spec(code)
        found = reach(spec, world.broker.reader(), world.store(spec))
        assert found.recovery is not None
        assert (found.recovery.seq, found.recovery_needs) == (ref, {("plant-in", 0): at})


def test_no_recovery_begins_with_a_snapshot_of_another_log() -> None:
    """Nor is it said so, however new it is."""
    world, other = lived(), World()
    for _ in range(8):
        other.put(9)
    run(other.transactor(limits=OFTEN))
    world.blobs.kept = {n: c for n, c in world.blobs.kept.items() if "/000000000007-" not in n}
    world.blobs.kept |= {n: c for n, c in other.blobs.kept.items() if "/000000000007-" in n}
    found = reached(world)
    assert found.recovery is not None
    assert (found.recovery.seq, found.recovery_needs) == (6, {("plant-in", 0): 7})


def test_where_inputs_are_gone_the_oldest_snapshot_after_them_is_the_beginning() -> None:
    """Snapshots from before what is left of the inputs lead nowhere."""
    world = lived()
    world.broker.trim(("plant-in", 0), 5)
    found = reached(world)
    assert found.start is not None
    assert (found.first, found.start.seq, found.needs) == (5, 4, {("plant-in", 0): 5})


def test_where_nothing_leads_on_it_is_said() -> None:
    """Inputs gone and no snapshot: nothing can be replayed."""
    world = lived(limits=NEVER)
    world.broker.trim(("plant-in", 0), 1)
    found = reached(world)
    assert found.first is None
    assert "no snapshot leads on" in found.why


def test_a_shard_without_commits_has_no_past() -> None:
    """It is new."""
    assert reached(World()).newest is None


def test_a_journal_that_was_trimmed_needs_a_snapshot() -> None:
    """Its first record is no longer the first commit."""
    world = lived()
    world.broker.trim(world.spec().journal, 6)
    found = reached(world)
    assert found.start is not None
    assert found.first == found.start.seq + 1 == world.journal()[0].seq


@pytest.mark.parametrize(("days", "share"), [(1, 6 / 7), (6, 1 / 7), (8, 0.0)])
def test_how_long_inputs_last_follows_from_when_they_were_written(days: int, share: float) -> None:
    """The record that is needed goes a retention after it was written."""
    world = lived()
    found = lasting(world.broker.reader(), {("plant-in", 0): 3}, {"plant-in": 7 * DAY}, START + days * DAY)
    assert found is not None
    assert found.share == pytest.approx(share, abs=0.002)


def test_what_was_never_written_or_is_kept_for_ever_lasts() -> None:
    """A shard that has read everything needs nothing that could go."""
    world = lived()
    assert lasting(world.broker.reader(), {("plant-in", 0): 8}, {"plant-in": 7 * DAY}, START + 9 * DAY) is None
    assert world.broker.watermarks(("plant-out", 0)) == (0, 16)
    after_the_last = {("plant-out", 0): 15}  # a marker stands there
    assert lasting(world.broker.reader(), after_the_last, {"plant-out": 7 * DAY}, START + 9 * DAY) is None
    assert lasting(world.broker.reader(), {("plant-in", 0): 0}, {}, START + 9 * DAY) is None
