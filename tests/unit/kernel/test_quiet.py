"""What is passed behind the last record of a quiet input, in a transactor and in a performer."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from tests.unit.kernel.performer_world import World as EffectsWorld
from tests.unit.kernel.transactor_world import World, run

from rivergate.domain.errors import ShardParked
from rivergate.domain.journal import Range
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.testing.memory_log import Fate

SOURCE = ("plant-in", 0)
IDLE = Limits(batch=1, wait_s=0.0, idle_positions_s=60.0, snapshot_share=1e9)


def upstream(world: World, *numbers: int, commit: bool = True) -> None:
    """Events written in a transaction, whose marker stands behind them."""
    transaction = world.broker.transaction("upstream")
    for n in numbers:
        world.broker.append(*SOURCE, orjson.dumps({"n": n}), transaction=transaction)
    world.broker.end("upstream", commit=commit)


def idling(world: World, now: list[float]) -> Transactor:
    """A transactor on a stopwatch that the test moves."""
    made = world.transactor(limits=IDLE)
    tools = replace(made._tools, monotonic=lambda: now[0])
    return Transactor(made.spec, made._log, made._make_fold, tools, IDLE)


def pass_time(transactor: Transactor, now: list[float], seconds: int) -> int:
    """Step every few seconds; how many steps had something to do."""
    done = 0
    for _ in range(0, seconds, 5):
        now[0] += 5
        done += transactor.step()
    return done


def test_a_drained_shard_survives_that_retention_removes_a_quiet_partition_with_its_marker() -> None:
    """Nothing was lost: the log begins behind a marker, where the drain's record says that the shard stands."""
    world = World()
    upstream(world, 1, 2)
    run(world.transactor()).drain()
    drained = world.journal()[-1]
    assert drained.ranges == (Range(*SOURCE, 2, 3),)
    assert (drained.spans_records, drained.outputs) == (0, {})
    assert world.broker.offsets["plant.agent-summing", SOURCE][0] == 3
    assert world.replay().difference == ""
    world.broker.trim(SOURCE, 3)
    again = run(world.transactor())
    again.drain()
    assert len(world.journal()) == drained.seq + 1, "nothing new was passed"
    upstream(world, 4)
    run(again)
    assert [v["sum"] for v in world.written()] == [1, 3, 7]


def test_an_idle_shard_commits_what_it_passed_once_and_needs_no_drain() -> None:
    """After a minute without a record; then position and end agree, and nobody is woken again."""
    world = World()
    now = [0.0]
    upstream(world, 1, 2)
    transactor = run(idling(world, now))
    assert pass_time(transactor, now, 55) == 0
    others = [SOURCE, ("plant-out", 0), ("plant.otlp_spans", 0), ("plant.dead_letters", 0)]
    ends = [world.broker.watermarks(tp) for tp in others]
    assert pass_time(transactor, now, 20) == 1
    assert [world.broker.watermarks(tp) for tp in others] == ends, (
        "no topic that anybody reads gets so much as a marker"
    )
    idle = world.journal()[-1]
    assert idle.ranges == (Range(*SOURCE, 2, 3),)
    assert idle.clock == world.journal()[-2].clock
    assert idle.spans_records == 0
    assert pass_time(transactor, now, 600) == 0
    assert world.replay().difference == ""
    world.broker.trim(SOURCE, 3)
    upstream(world, 4)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 7]


def test_a_partition_that_was_never_read_of_is_passed_too() -> None:
    """Else whoever waits for the shard to come closer would wait for ever, if its first records were aborted."""
    world = World()
    now = [0.0]
    upstream(world, 1, 2, commit=False)
    transactor = run(idling(world, now))
    assert pass_time(transactor, now, 80) == 1
    assert world.journal()[-1].ranges == (Range(*SOURCE, 0, 3),)
    assert world.broker.offsets["plant.agent-summing", SOURCE][0] == 3
    assert pass_time(transactor, now, 600) == 0
    upstream(world, 4)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [4]
    assert world.replay().difference == ""


def test_markers_without_records_are_committed_no_more_than_once_a_minute() -> None:
    """An upstream that only aborts moves the end all the time."""
    world = World()
    now = [0.0]
    upstream(world, 1)
    transactor = run(idling(world, now))
    done = 0
    for _ in range(60):
        upstream(world, 9, commit=False)
        done += pass_time(transactor, now, 5)
    assert 3 <= done <= 5
    assert world.replay().difference == ""


@pytest.mark.parametrize("fate", list(Fate))
def test_an_idle_commit_that_fails_is_made_again(fate: Fate) -> None:
    """The state is rebuilt and nothing is lost or read twice."""
    world = World()
    now = [0.0]
    upstream(world, 1, 2)
    transactor = run(idling(world, now))
    world.broker.fates.append(fate)
    assert pass_time(transactor, now, 200) >= 1
    upstream(world, 4)
    pass_time(transactor, now, 10)
    assert [v["sum"] for v in world.written()] == [1, 3, 7]
    assert [r for c in world.journal() for r in c.ranges][2] == Range(*SOURCE, 2, 3)
    assert world.replay().difference == ""


def test_lost_records_still_park_the_shard() -> None:
    """A record that stood behind what was passed is gone: that is said."""
    world = World()
    upstream(world, 1)
    run(world.transactor()).drain()
    upstream(world, 2)
    world.broker.trim(SOURCE, 4)
    with pytest.raises(ShardParked, match="up to 2, but retention has removed everything before 4"):
        world.transactor().open()


def test_a_performer_commits_what_it_passed_when_it_drains() -> None:
    """The record has ranges without records and no span; its successor begins where it ends."""
    world = EffectsWorld()
    world.act()
    world.broker.transaction("gate").partitions.add(("plant.actions", 0))
    world.broker.end("gate", commit=True)
    performer = world.performer()
    world.settle(performer)
    performer.step()
    performer.drain()
    newest = world.journal()[-1]
    assert newest.ranges == (Range("plant.actions", 0, 1, 2),)
    assert newest.positions == (("plant.actions", 0, 2),)
    assert newest.spans_records == 0
    world.broker.trim(("plant.actions", 0), 2)
    world.act()
    world.settle(world.performer())
    assert len(world.finals()) == 2
