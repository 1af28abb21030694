"""A snapshot is due by age too, however little was folded: once retention has removed the inputs, nothing else is left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.kernel.test_holding import RekeyedWorld
from tests.unit.kernel.test_snapshot_taking import full
from tests.unit.kernel.transactor_world import World

from rivergate.domain.clock import SECOND
from rivergate.kernel.pace import RETRY_S
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.testing.memory_log import Fate

HOUR_S = 3600
SLOW = Limits(batch=1, wait_s=0.0, replay_s=1e9, snapshot_age_s=6 * HOUR_S)


class Aging:
    """A shard's owner on a wall clock and a stopwatch that go together."""

    def __init__(self, world: World, made: Transactor | None = None) -> None:
        self.world = world
        self.now_s = 0.0
        made = made or world.transactor(limits=SLOW)
        tools = replace(made._tools, monotonic=lambda: self.now_s)
        self.shard = Transactor(made.spec, made._log, made._make_fold, tools, SLOW)
        self.shard.open()

    def step_for(self, hours: float, every_s: float = HOUR_S / 2) -> int:
        """Step now and then; how many steps had something to do."""
        done = 0
        for _ in range(round(hours * HOUR_S / every_s)):
            self.now_s += every_s
            self.world.now += round(every_s * SECOND)
            done += self.shard.step()
        return done

    def stored(self) -> list[int]:
        """After which commits a snapshot was taken."""
        return [ref.seq for ref in self.world.store(self.shard.spec).stored()]


def test_a_shard_that_folds_little_takes_one_all_the_same() -> None:
    """An event an hour: there is one of every six hours."""
    aging = Aging(World())
    for n in range(20):
        aging.world.put(n)
        aging.step_for(1)
    assert aging.stored() == [6, 13]


def test_a_shard_to_which_nothing_comes_any_more_keeps_its_state() -> None:
    """A commit record names it, as a drain's does; then retention may take all that was read, and nobody is woken again."""
    world = World()
    aging = Aging(world)
    for n in (1, 2, 3):
        world.put(n)
    assert aging.step_for(2) == 1
    assert aging.step_for(3.5) == 0
    assert aging.step_for(2) == 1
    newest = world.journal()[-1]
    assert newest.snapshot is not None
    assert (newest.seq, newest.snapshot.seq, newest.ranges, newest.outputs) == (3, 3, (), {})
    assert newest.clock == world.journal()[-2].clock
    assert aging.step_for(48) == 0
    assert world.replay().difference == ""
    world.broker.trim(("plant-in", 0), 3)
    successor = Aging(world)
    world.put(4)
    successor.step_for(1)
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10]


def test_an_owner_that_is_killed_does_not_make_it_younger() -> None:
    """Its successor counts from the first commit that it folds again."""
    world = World()
    world.put(1)
    Aging(world).step_for(4)
    successor = Aging(world)
    assert successor.stored() == []
    assert successor.step_for(1.5) == 0
    assert successor.step_for(1) == 1
    assert successor.stored() == [1]


def test_a_shard_that_has_folded_nothing_needs_none() -> None:
    """However long it waits, and none after a drain's either."""
    aging = Aging(World())
    assert aging.step_for(48) == 0
    aging.world.put(1)
    aging.step_for(1)
    aging.shard.drain()
    assert Aging(aging.world).step_for(48) == 0
    assert aging.stored() == [1]


def test_a_store_that_is_full_is_asked_seldom_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is committed while there is none to be named; once there is room, it is taken."""
    world = World()
    take = world.blobs.put
    aging = Aging(full(world))
    world.put(1)
    assert aging.step_for(7) > 1
    caplog.clear()
    aging.step_for(10 * RETRY_S / HOUR_S, every_s=RETRY_S / 5)
    assert len(world.journal()) == 1
    assert 8 <= caplog.text.count("make room in the snapshot store") <= 10
    world.blobs.put = take  # type: ignore[method-assign]
    aging.step_for(1)
    assert (len(world.journal()), aging.stored()) == (2, [1])


@pytest.mark.parametrize("fate", list(Fate))
def test_a_commit_that_fails_is_made_again(fate: Fate) -> None:
    """Whichever way it fails; nothing is written twice."""
    world = World()
    aging = Aging(world)
    world.put(1)
    aging.step_for(1)
    world.broker.fates.append(fate)
    aging.step_for(12)
    assert not world.broker.fates
    newest = world.journal()[-1]
    assert newest.snapshot is not None
    assert newest.snapshot.seq == newest.seq == 1
    assert [v["sum"] for v in world.written()] == [1]


def test_a_shard_that_is_held_keeps_what_it_has_learnt() -> None:
    """It may wait for its release for longer than copies are kept."""
    world = RekeyedWorld()
    world.live(12)
    world.note()
    aging = Aging(world, world.holder())
    aging.step_for(12)
    newest = world.journal()[-1]
    assert newest.snapshot is not None
    assert newest.snapshot.seq == newest.seq
    assert (newest.ranges, newest.outputs) == ((), {})
    assert aging.step_for(48) == 0
    assert world.again().difference == ""
