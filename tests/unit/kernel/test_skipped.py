"""What went to the dead letters, in a replay."""

from __future__ import annotations

from tests.unit.kernel.test_past import NEVER, lived, replayed
from tests.unit.kernel.transactor_world import World, run

from rivergate.kernel.tools import Limits


def with_a_dead_letter(limits: Limits = NEVER) -> World:
    """A world in which the second of three events was set aside."""
    world = World()
    for n, text in ((1, ""), (2, "raise"), (3, "")):
        world.put(n, text)
    run(world.transactor(limits=limits))
    return world


def test_dead_letters_come_out_equal() -> None:
    """They are outputs; the reason alone can't be known again, since what was skipped isn't handled."""
    world = with_a_dead_letter()
    assert len(world.dead()) == 1
    found = replayed(world, range(len(world.journal())))
    assert (found.difference, found.outputs) == (None, 3)


def test_what_was_set_aside_then_is_counted_since_it_is_not_tried_again() -> None:
    """On the way, too; where no dead letter was written there is nothing to count."""
    world = with_a_dead_letter()
    everything = range(len(world.journal()))
    assert replayed(world, everything).skipped == 1
    assert replayed(world, everything[-1:]).skipped == 1
    assert replayed(lived(), range(8)).skipped == 0
