from __future__ import annotations

import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, Doubling, World, run

from rivergate.domain.errors import ShardParked
from rivergate.kernel.tools import Limits

OFTEN = Limits(batch=1, wait_s=0.0, replay_s=0.0, snapshot_share=1e9)
ACCEPT = {"who": "kim", "why": "test"}


def killed() -> World:
    """Its newest snapshot is that of its newest commit, and no commit record names it."""
    world = World()
    for n in (1, 2, 3):
        world.put(n)
    run(world.transactor(limits=OFTEN))
    named = world.journal()[-1].snapshot
    assert named is not None
    assert (named.seq, world.store(world.spec()).stored()[-1].seq) == (1, 2)
    return world


def test_a_snapshot_that_no_commit_names_yet_is_recovered_from() -> None:
    """What was read before it may be gone."""
    world = killed()
    world.broker.trim(("plant-in", 0), 3)
    world.put(4)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10]


def test_other_code_is_refused_with_such_a_snapshot_too() -> None:
    """Until a drain has named one."""
    world = killed()
    with pytest.raises(ShardParked, match="last run by other code"):
        world.transactor(code=NEW_CODE).open()
    run(world.transactor()).drain()
    world.put(4)
    run(world.transactor(code=NEW_CODE))
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10]


def test_what_accepted_code_made_of_old_commits_is_not_the_shards_state() -> None:
    """It died before its first commit: it isn't accepted by that, and the old code, come back, has a state of its own."""
    world = World()
    for n in (1, 2, 3):
        world.put(n)
    run(world.transactor())
    run(world.transactor(Doubling, code=NEW_CODE, accept=ACCEPT))
    assert [ref.seq for ref in world.store(world.spec()).stored()] == [2]
    with pytest.raises(ShardParked, match="last run by other code"):
        world.transactor(Doubling, code=NEW_CODE).open()
    world.put(4)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10]
