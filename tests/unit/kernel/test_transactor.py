from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, Doubling, Put, Summing, World, run

from rivergate.agents import Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.errors import Fenced, ShardParked
from rivergate.domain.record import Record
from rivergate.kernel.tools import Limits
from rivergate.ports import Batch, Outputs
from rivergate.testing.memory_log import Fate
from rivergate.testing.memory_shard_log import MemoryShardLog

OFTEN = Limits(batch=1, wait_s=0.0, replay_s=0.0, snapshot_share=1e9)
"""A snapshot after every commit."""
ACCEPT = {"who": "operator", "why": "a test"}


class Alarmed(Summing):
    """Sets a timer that fails."""

    name = Summing.name

    def on_event(self, event: Put, ctx: Context) -> None:
        ctx.set_timer("bell", timedelta(seconds=event.n))

    def on_timer(self, name: str, ctx: Context) -> None:
        raise ValueError(f"{name} rang")


def test_a_drain_names_the_snapshot_that_was_taken_after_the_newest_commit() -> None:
    """A periodic snapshot is named by the commit after it; where none comes, the drain has to, or new code is refused."""
    world = World()
    for n in (1, 2, 3):
        world.put(n)
    run(world.transactor(limits=OFTEN)).drain()
    named = world.journal()[-1].snapshot
    assert named is not None
    assert named.seq == world.journal()[-1].seq
    world.put(4)
    run(world.transactor(code=NEW_CODE))
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10]


def test_a_second_drain_has_nothing_to_do() -> None:
    """Neither of the same owner nor of the next."""
    world = World()
    world.put(1)
    transactor = run(world.transactor())
    transactor.drain()
    transactor.drain()
    run(world.transactor()).drain()
    assert [r.seq for r in world.journal()] == [0, 1]


def test_accepted_code_that_dies_before_a_snapshot_goes_on() -> None:
    """Commits of the old code can't be checked against the new: acceptance holds after a crash too."""
    world = World()
    world.put(1)
    run(world.transactor())
    world.put(2)
    with pytest.raises(ShardParked, match="last run by other code"):
        world.transactor(Doubling, code=NEW_CODE).open()
    run(world.transactor(Doubling, code=NEW_CODE, accept=ACCEPT))
    world.put(3)
    run(world.transactor(Doubling, code=NEW_CODE))
    assert [v["sum"] for v in world.written()] == [1, 6, 12]


def test_what_is_too_large_to_be_written_is_a_dead_letter() -> None:
    """One such record must not stop the shard: the broker would refuse the commit again and again."""
    world = World()
    for n, text in ((1, ""), (2, "long"), (3, "")):
        world.put(n, text)
    run(world.transactor(limits=Limits(batch=10, wait_s=0.0, output_bytes=1000)))
    assert [v["sum"] for v in world.written()] == [1, 4]
    assert "1,000" in world.dead()[0]
    assert world.replay().difference == ""


def test_a_reason_that_no_header_can_hold_is_no_obstacle() -> None:
    """What user code puts into an exception may have no UTF-8 form."""
    world = World()
    world.put(1, "raise")
    world.put(2)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [2]
    assert world.dead() == ["ValueError: told to fail: ?"]


FEW = Limits(batch=10, wait_s=0.0, rebuilds_a_minute=3)


def test_records_that_fail_park_nothing_however_many() -> None:
    """Each is set aside, so the shard gets on; else whoever writes to a topic could stop all that read it."""
    world = World()
    for n in range(25):
        world.put(n, "raise" if n % 5 else "")
    run(world.transactor(limits=FEW))
    assert [v["n"] for v in world.written()] == [0, 5, 10, 15, 20]
    assert len(world.dead()) == 20
    assert world.replay().difference == ""


@pytest.mark.parametrize("text", ["", "raise"])
def test_commits_that_fail_again_and_again_park_the_shard(text: str) -> None:
    """Nothing gets on by that, whether there is a record to be set aside or not."""
    world = World()
    world.put(1, text)
    world.broker.fates += [Fate.ABORTED] * 4
    with pytest.raises(ShardParked, match="4 rebuilds within a minute, the last for aborted commits") as caught:
        run(world.transactor(limits=FEW))
    assert "resume" in caught.value.remedy
    assert (world.written(), world.dead()) == ([], [])


def test_what_is_folded_again_for_records_that_fail_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By snapshots: what rebuilds have folded again counts each time, since the next record may fail, too."""
    now = [0.0]
    folded = [0]

    class Slow(AgentFold):
        def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
            now[0] += 0.001 * len(records)
            folded[0] += len(records)
            super().fold(batch, records, out)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    world = World()
    for n in range(400):
        world.put(n, "raise" if n % 2 else "")
    run(world.transactor(make=lambda: Slow(world.app, Summing), limits=replace(FEW, snapshot_share=1e9)))
    assert len(world.dead()) == 200
    assert folded[0] < 10_000, "200 rebuilds that fold all that was handled again would fold 20,000"


def test_a_timer_that_fails_parks_the_shard_and_says_so() -> None:
    """No record is at fault that could be put aside."""
    world = World()
    world.put(1)
    transactor = run(world.transactor(Alarmed))
    world.now += 2_000_000
    with pytest.raises(ShardParked, match="a timer failed: ValueError: bell rang"):
        transactor.step()


def test_what_was_replayed_counts_for_the_next_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that dies often would otherwise replay more and more."""
    now = [0.0]

    class Slow(AgentFold):
        def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
            now[0] += 0.1
            super().fold(batch, records, out)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    world = World()
    for _ in range(3):
        for n in range(5):
            world.put(n)
        run(world.transactor(make=lambda: Slow(world.app, Summing)))
    assert [(r.seq, r.snapshot.seq) for r in world.journal() if r.snapshot] == [(n, 9) for n in range(10, 15)]


@pytest.mark.parametrize("fate", list(Fate))
def test_whichever_way_a_commit_ends_nothing_is_lost_or_doubled(fate: Fate) -> None:
    """Aborted, unknown but committed, unknown and open: the journal says which, and the replay agrees."""
    world = World()
    for n in (1, 2, 3):
        world.put(n)
    world.broker.fates.append(fate)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 6]
    assert [r.seq for r in world.journal()] == [0, 1, 2]
    assert world.replay().difference == ""


def test_records_that_retention_took_before_they_were_read_park_the_shard() -> None:
    """They are lost, and nothing else would say so."""
    world = World()
    world.put(1)
    run(world.transactor()).drain()
    world.put(2)
    world.put(3)
    world.broker.trim(("plant-in", 0), 2)
    with pytest.raises(ShardParked, match="up to 1, but retention has removed everything before 2"):
        world.transactor().open()


def test_an_owner_that_is_overtaken_while_it_looks_is_fenced_and_does_not_park(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look at the journal and its look at the offsets a successor has committed: nobody moved anything."""
    world = World()
    world.put(1)
    run(world.transactor())
    late = world.transactor()
    look = MemoryShardLog.committed

    def overtaken(log: MemoryShardLog, partitions: Any) -> Any:
        monkeypatch.setattr(MemoryShardLog, "committed", look)
        world.put(2)
        run(world.transactor())
        return look(log, partitions)

    monkeypatch.setattr(MemoryShardLog, "committed", overtaken)
    with pytest.raises(Fenced, match="w has committed 1 since"):
        late.open()
