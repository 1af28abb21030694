"""What a performer knows of its deeds while their outcomes can't be committed."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.unit.kernel.performer_world import START, Scripted, World, await_deeds

from rivergate.domain.clock import SECOND, rfc3339
from rivergate.domain.errors import BrokerUnavailable
from rivergate.effects.effector import Delivery
from rivergate.kernel.deeds import Deeds
from rivergate.kernel.performer import Performer
from rivergate.testing.memory_log import Fate


class Outage:
    """The broker is away for `left` calls of the log's method."""

    def __init__(self, performer: Performer, method: str, left: int) -> None:
        self.left = left
        self.calls = 0
        self._inner = getattr(performer._log, method)
        setattr(performer._log, method, self)

    def __call__(self, *args: object) -> object:
        """Raise, or do it."""
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise BrokerUnavailable("Local: Broker transport failure")
        return self._inner(*args)


def done_and_not_committed(delivery: Delivery, fate: Fate = Fate.UNKNOWN_AND_OPEN) -> tuple[World, Performer]:
    """A deed is done, and the commit of its outcome is about to fail."""
    world = World(Scripted(delivery))
    world.act()
    performer = world.performer()
    world.intend(performer)
    await_deeds(performer)
    assert len(world.effector.world) == 1
    world.broker.fates.append(fate)
    return world, performer


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("delivery", list(Delivery))
@pytest.mark.parametrize("method", ["recycle", "journal_tail", "committed", "watermarks"])
def test_an_outage_while_an_outcome_is_committed_forgets_nothing(delivery: Delivery, method: str, fate: Fate) -> None:
    """Step by step it tries again, and what it knows gets committed once the broker is back: nobody has to ask."""
    world, performer = done_and_not_committed(delivery, fate)
    outage = Outage(performer, method, 3)
    world.settle(performer)
    for _ in range(5):
        performer.step()
    assert outage.left == (0 if fate is not Fate.ABORTED or method != "recycle" else 3)
    assert [s for _, s in world.finals()] == ["done"]
    assert (len(world.effector.world), world.effector.asked) == (1, [])
    assert [v["attempt"] for v in world.intents()] == [1]


@pytest.mark.parametrize("fate", list(Fate))
def test_what_has_not_begun_when_the_broker_goes_away_is_done_once(fate: Fate) -> None:
    """An intent may have been committed without an answer: its deed begins when the broker is back."""
    world = World(Scripted(Delivery.NEITHER))
    world.act()
    performer = world.performer()
    performer.step()
    world.broker.fates.append(fate)
    Outage(performer, "watermarks", 3)
    performer.step()
    performer.step()
    assert world.effector.calls == []
    world.settle(performer)
    assert [s for _, s in world.finals()] == ["done"]
    assert len(world.effector.calls) == 1


def test_a_step_in_an_outage_returns_so_that_a_stop_is_heard() -> None:
    """There is nothing to do until the broker is back; each session begins anew."""
    world, performer = done_and_not_committed(Delivery.NEITHER)
    outage = Outage(performer, "journal_tail", 3)
    recycled = Outage(performer, "recycle", 0)
    performer.step()
    assert [performer.step(), performer.step()] == [False, False]
    assert (outage.left, recycled.calls) == (0, 3)
    world.settle(performer)


def test_a_drain_does_not_wait_for_the_broker() -> None:
    """It tries once: what was in vain is the next owner's."""
    world, performer = done_and_not_committed(Delivery.NEITHER)
    outage = Outage(performer, "recycle", 2)
    performer.step()
    with pytest.raises(BrokerUnavailable):
        performer.drain()
    assert outage.left == 0
    performer.close()
    assert world.finals() == []


def test_a_drain_commits_what_is_known_where_the_broker_is_back() -> None:
    """The outcome of a deed done before the outage."""
    world, performer = done_and_not_committed(Delivery.NEITHER)
    Outage(performer, "recycle", 1)
    performer.step()
    performer.drain()
    performer.close()
    assert [s for _, s in world.finals()] == ["done"]


def test_the_next_deed_of_a_key_waits_until_the_outcome_before_it_is_committed() -> None:
    """Else what failed before a crash would be done after what followed it."""
    world = World()
    pids = [world.act("k") for _ in range(2)]
    in_flight: list[int] = []

    def hook(step: str) -> None:
        if step == "commit":
            in_flight.append(performer._deeds.in_flight)

    performer = world.performer(hook=hook)
    world.settle(performer)
    assert world.effector.world == pids
    assert in_flight == [0, 0, 0], "intents, and one outcome after the other"


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_deed_that_hangs_when_a_commit_fails_is_waited_for_step_by_step(delivery: Delivery) -> None:
    """A stop is heard between the steps, and whoever looks is told what the shard waits for."""
    told: list[str] = []
    now = [0.0]
    world = World(Scripted(delivery))
    go = threading.Event()
    world.effector.script = lambda action: go.wait(10) and None
    pid = world.act("hangs")
    performer = world.performer()
    performer._tools = replace(performer._tools, waits=told.append)
    performer._deeds = Deeds("effects/0", 2, lambda: now[0])
    world.intend(performer)
    world.broker.fates.append(Fate.UNKNOWN_AND_OPEN)
    world.act("another", kind="launch")
    assert [performer.step() for _ in range(3)] == [True, False, False]
    now[0] = 61.0
    performer.step()
    assert told == [f"waits for what plant.actions/0/0 asked for, since {rfc3339(START - 61 * SECOND)}"]
    go.set()
    world.settle(performer)
    performer.step()
    assert sorted(s for _, s in world.finals()) == ["done", "refused"]
    assert (told[1:], world.effector.calls) == ([""], [pid])
