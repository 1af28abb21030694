"""Closing and rebuilding while a successor waits until its predecessor can no longer act."""

from __future__ import annotations

import pytest
from tests.unit.kernel.performer_world import Crash, Scripted, World

from rivergate.domain.clock import SECOND
from rivergate.effects.effector import Delivery
from rivergate.kernel.performer import Performer
from rivergate.testing.memory_log import Fate

NOT_IDEMPOTENT = [Delivery.RECONCILABLE, Delivery.NEITHER]


def waiting(delivery: Delivery) -> tuple[World, Performer]:
    """A predecessor died once its intent stood; nobody knows whether it acted."""

    def hook(step: str) -> None:
        if step == "committed" and world.intents():
            raise Crash

    world = World(Scripted(delivery))
    world.act()
    with pytest.raises(Crash):
        world.settle(world.performer(hook=hook))
    return world, world.performer()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("delivery", NOT_IDEMPOTENT)
def test_closing_does_not_wait_for_the_predecessors_window(delivery: Delivery) -> None:
    """The clock stands still, so the window never passes; nothing is done, and the next owner still knows nothing."""
    world, successor = waiting(delivery)
    successor.close()
    assert (world.effector.calls, world.effector.asked, world.finals()) == ([], [], [])
    world.now += 120 * SECOND
    world.settle(world.performer())
    assert [s for _, s in world.finals()] == ["unknown" if delivery is Delivery.NEITHER else "done"]
    assert len(world.effector.calls) == (0 if delivery is Delivery.NEITHER else 1)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("delivery", NOT_IDEMPOTENT)
@pytest.mark.parametrize("fate", list(Fate))
def test_a_rebuild_goes_on_waiting(delivery: Delivery, fate: Fate) -> None:
    """It isn't taken for certain that nothing was done: the same attempt waits on, and then asks or gives up."""
    world, successor = waiting(delivery)
    world.act("other", kind="launch")
    world.broker.fates.append(fate)
    while world.broker.fates or successor._unsettled is not None:
        successor.step()
    assert (world.effector.calls, world.effector.asked) == ([], [])
    before = len(world.intents())
    world.now += 60 * SECOND
    world.settle(successor)
    assert world.finals()[-1][1] == ("unknown" if delivery is Delivery.NEITHER else "done")
    assert len(world.effector.asked) == (0 if delivery is Delivery.NEITHER else 1)
    assert (before, len(world.effector.calls)) == (2, 0 if delivery is Delivery.NEITHER else 1)
