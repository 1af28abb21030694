"""An owner that was frozen comes back on a broken session: whoever took the shard over meanwhile keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.kernel.performer_world import Scripted, World
from tests.unit.kernel.transactor_world import World as AgentWorld
from tests.unit.kernel.transactor_world import run

from rivergate.domain.errors import BrokerUnavailable, CommitUnknown, Fenced
from rivergate.effects.effector import Delivery
from rivergate.kernel import ownership
from rivergate.kernel.performer import Performer
from rivergate.testing.memory_log import Fate
from rivergate.testing.memory_shard_log import MemoryShardLog


class SleepingLog(MemoryShardLog):
    """`begin` as Kafka's has it: a broken connection is noticed before anybody is asked who owns the shard."""

    asleep: Callable[[], object] | None = None
    lost = False
    recycled = 0

    def begin(self) -> None:
        """Sleep while others act, and find the connection broken."""
        if self.asleep is not None:
            others_act, self.asleep = self.asleep, None
            others_act()
            self.lost = True
        if self.lost:
            raise CommitUnknown("a connection to the broker broke, so the session begins anew")
        super().begin()

    def recycle(self) -> None:
        """A new session."""
        self.recycled += 1
        self.lost = False
        super().recycle()


def sleeping(driver: Any) -> SleepingLog:
    """The driver's log, made one that sleeps."""
    driver._log.__class__ = SleepingLog
    log: SleepingLog = driver._log
    return log


def no_reader() -> Any:
    """What there is while the broker is away."""
    raise BrokerUnavailable("no broker")


def superseded(world: World, go: threading.Event) -> tuple[Performer, Performer]:
    """One who has read an action and falls asleep, and its successor with the deed in flight."""
    acting = threading.Event()
    world.effector.script = lambda action: acting.set() or (go.wait(10) and None)
    successors: list[Performer] = []

    def take_over() -> None:
        successors.append(world.performer())
        world.intend(successors[0])
        assert acting.wait(10)

    zombie = world.performer()
    world.act()
    if world.effector.delivery is not Delivery.IDEMPOTENT:
        zombie.step()  # reads it; the intent comes in its turn
    sleeping(zombie).asleep = take_over
    with pytest.raises(Fenced, match="w has committed"):
        zombie.step()
    return zombie, successors[0]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_superseded_performer_leaves_its_successor_alone(delivery: Delivery) -> None:
    """Both drafted the same commit: the one in the journal is the other's, and so is the deed."""
    go = threading.Event()
    world = World(Scripted(delivery))
    zombie, successor = superseded(world, go)
    assert sleeping(zombie).recycled == 0
    zombie.close()
    go.set()
    world.settle(successor)
    assert [s for _, s in world.finals()] == ["done"]
    assert len(world.effector.calls) == 1


def test_what_is_read_after_the_fence_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that shows nothing costs the successor the shard, but nothing is done twice."""
    monkeypatch.setattr("rivergate.kernel.performer.look_for_successor", lambda *_: None)
    go = threading.Event()
    world = World(Scripted(Delivery.NEITHER))
    zombie, successor = superseded(world, go)
    assert sleeping(zombie).recycled == 1
    go.set()
    with pytest.raises(Fenced):
        world.settle(successor)
    assert len(world.effector.calls) == 1


@pytest.mark.parametrize("hangs", [False, True])
def test_a_look_that_fails_or_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, *, hangs: bool) -> None:
    """The broker may be away, or a transaction be open: what follows is as it was without the look."""
    monkeypatch.setattr(ownership, "LOOK_S", 0.01)
    go = threading.Event()
    world = World()
    performer = world.performer()
    reader = performer._tools.reader
    looks = iter([(lambda: go.wait(10) and reader()) if hangs else no_reader])

    def first_without() -> Any:
        return next(looks, reader)()

    performer._tools = replace(performer._tools, reader=first_without)
    log = sleeping(performer)
    log.asleep = lambda: None
    world.act()
    world.settle(performer)
    go.set()
    assert log.recycled == 1
    assert [s for _, s in world.finals()] == ["done"]


@pytest.mark.parametrize("looks", [True, False])
def test_a_superseded_transactor_does_not_go_on(monkeypatch: pytest.MonkeyPatch, *, looks: bool) -> None:
    """It sees another worker's commit, before it fences anybody or at least after it."""
    if not looks:
        monkeypatch.setattr("rivergate.kernel.transactor.look_for_successor", lambda *_: None)
    world = AgentWorld()
    zombie = run(world.transactor())
    log = sleeping(zombie)
    successor = world.transactor()
    successor.spec = replace(successor.spec, worker="w2")
    log.asleep = lambda: run(successor)
    world.put(1)
    with pytest.raises(Fenced, match="w2 has committed 0"):
        zombie.step()
    assert log.recycled == (0 if looks else 1)
    assert [r.worker for r in world.journal()] == ["w2"]


def test_a_transactor_whose_own_commit_is_there_goes_on() -> None:
    """The answer was lost, not the commit."""
    world = AgentWorld()
    world.put(1)
    world.put(2)
    world.broker.fates += [Fate.UNKNOWN_BUT_COMMITTED, Fate.UNKNOWN_AND_OPEN]
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3]
