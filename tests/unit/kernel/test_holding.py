"""A shard of an app that is being rekeyed learns muted until it is released, whoever opens it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import orjson
import pytest
from tests.unit.kernel.history_world import EVENTS, EVERY, LATE, HistoryWorld, Latecomer, learnt, truth
from tests.unit.kernel.transactor_world import START

from rivergate.agents.fold import AgentFold
from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339, rfc3339
from rivergate.domain.errors import ShardParked
from rivergate.domain.journal import OPEN_END
from rivergate.kernel import holding
from rivergate.kernel.transactor import Limits, Transactor
from rivergate.testing.memory_log import Fate
from rivergate.testing.memory_shard_log import MemoryShardLog

REKEY = "plant.rekey"


class RekeyedWorld(HistoryWorld):
    """The shard's inputs are copies, and a topic says how far they go."""

    def note(self, *, released: str | None = None, but: int = 0) -> None:
        """What is there has been copied, except for so many events. A release counts transaction markers, too."""
        ends = [[t, 0, self.end(t, marked=released is not None)] for t in ("plant-in", "plant.labels")]
        ends[0][2] -= but
        value = {
            "of": "old", "topics": {}, "positions": [], "ends": ends, "records": 0, "bytes": 0, "missed": 0, "by": "me",
            "at": rfc3339(self.now), "released": released,
        }  # fmt: skip
        headers = [("ce_type", names.REKEYED_V1.encode())]
        self.broker.append(REKEY, 0, orjson.dumps(value), key=b"old", headers=headers)

    def end(self, topic: str, *, marked: bool) -> int:
        """Where the topic ends, or its last record."""
        records = [] if marked else self.broker.records(topic)
        return records[-1].offset + 1 if records else self.broker.watermarks((topic, 0))[1]

    def mark(self) -> None:
        """The copy's transaction ends behind its records."""
        self.broker.transaction("copy").partitions.update([("plant-in", 0), ("plant.labels", 0)])
        self.broker.end("copy", commit=True)

    def expire(self) -> None:
        """Retention removes all that is there."""
        for tp in (("plant-in", 0), ("plant.labels", 0)):
            self.broker.trim(tp, self.broker.watermarks(tp)[1])

    def holder(
        self, begin: str | None = None, batch: int = 20, told: list[tuple[int, int, bool]] | None = None
    ) -> Transactor:
        """An owner of the shard, not opened yet; nothing but the log tells it to hold. `told` takes its progress."""
        made = self.transactor(Latecomer, limits=Limits(batch=batch, wait_s=0.0))
        spec = replace(made.spec, begin=begin, rekey=REKEY)
        fold = lambda: AgentFold(self.app, Latecomer)  # noqa: E731 - a factory
        tools = made._tools if told is None else replace(made._tools, catching_up=lambda *how_far: told.append(how_far))
        return Transactor(spec, MemoryShardLog(self.broker, spec), fold, tools, made._limits)

    def said(self) -> list[int]:
        """Events that something was proposed of."""
        return [v["arguments"]["n"] for v in self.written("plant.proposals")]


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """These shards look again at once."""
    monkeypatch.setattr(holding, "LOOK_S", 0.0)


@pytest.fixture
def world() -> RekeyedWorld:
    """Most of a day of history, copied to the end."""
    world = RekeyedWorld()
    world.live(EVENTS)
    world.note()
    return world


def run_on(transactor: Transactor) -> Transactor:
    """Step until there is nothing to do."""
    while transactor.step():
        pass
    return transactor


def run(transactor: Transactor) -> Transactor:
    """Open it and step until there is nothing to do."""
    transactor.open()
    return run_on(transactor)


def test_it_goes_on_muted_beyond_what_was_there_at_its_first_open(world: RekeyedWorld) -> None:
    """It takes what is copied later, too, and never acts; the journal's first record has a past without an end."""
    holder = run(world.holder())
    assert learnt(holder) == truth(0, EVENTS - LATE)
    world.live(3)
    world.note()
    run_on(holder)
    assert learnt(holder) == truth(0, EVENTS + 3 - LATE)
    assert world.said() == []
    assert world.written() == []
    journal = world.journal()
    assert journal[0].began is not None
    assert {r.end for r in journal[0].began.past} == {OPEN_END}
    assert all(r.muted is not None for r in journal[1:])
    assert world.again().difference == ""


def test_it_reads_no_further_than_the_copy_says(world: RekeyedWorld) -> None:
    """Whatever else is there by then may stand behind the release."""
    world.live(5)
    world.note(but=5)
    holder = run(world.holder())
    assert holder.standing.positions["plant-in", 0] == EVENTS


def test_an_empty_topic_gives_no_time(world: RekeyedWorld) -> None:
    """Opened before anything was copied, its clock is history's all the same, not that of the open."""
    world = RekeyedWorld()
    world.note()
    world.now = START + 2 * EVENTS * EVERY
    holder = run(world.holder())
    world.now = START
    world.live(EVENTS)
    newest = START + (EVENTS - 1) * EVERY
    world.now = START + 2 * EVENTS * EVERY
    world.note()
    run_on(holder)
    assert learnt(holder) == truth(0, EVENTS - LATE)
    assert holder.standing.clock == newest


@pytest.mark.parametrize("batch", [1, 20])
def test_after_the_release_exactly_what_stands_behind_it_is_live(world: RekeyedWorld, batch: int) -> None:
    """Producers may write before the shard hears of it: nothing of theirs is muted."""
    holder = run(world.holder(batch=batch))
    at = rfc3339(world.now)
    world.live(2)
    world.note(released=at)
    world.live(4)
    run_on(holder)
    assert world.said() == list(range(EVENTS + 2, EVENTS + 6))
    assert learnt(holder) == truth(0, EVENTS + 6 - LATE)
    [first, last] = [r for r in world.journal() if r.began is not None]
    assert first.seq == 0
    assert last.began is not None
    assert last.began.at == at
    assert [(r.topic, r.end) for r in last.began.past] == [
        ("plant-in", EVENTS + 2),
        ("plant.labels", EVENTS + 2 - LATE),
    ]
    assert last.ranges == ()
    assert world.again().difference == ""


@pytest.mark.parametrize(("later", "live"), [(0, [EVENTS - 2, EVENTS - 1]), (1, [EVENTS - 1]), (2, [])])
def test_timers_fire_muted_up_to_the_release_and_live_after_it(
    world: RekeyedWorld, later: int, live: list[int]
) -> None:
    """Those that the other app has fired aren't fired again, those that it will not fire are."""
    holder = run(world.holder())
    world.note(released=rfc3339(START + (EVENTS + later) * EVERY))
    world.now += 10 * EVERY
    run_on(holder)
    assert [int(v["text"].rpartition("-")[2]) for v in world.written() if v["n"] < 0] == live
    assert holder.standing.began is None
    assert world.again().difference == ""


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("drained", [False, True])
def test_a_successor_holds_whatever_it_was_started_with(world: RekeyedWorld, *, released: bool, drained: bool) -> None:
    """The journal alone says so, or a snapshot: a start without `rekey`, or from a time, changes nothing."""
    first = run(world.holder())
    if drained:
        first.drain()
    world.live(1)
    second = run(world.newcomer())
    assert second.standing.began is not None
    assert world.said() == []
    if released:
        world.note(released=rfc3339(world.now))
        world.live(1)
        third = run(world.newcomer(rfc3339(START)))
        assert third.standing.began is None
        assert world.said() == [EVENTS + 1]
    assert world.again().difference == ""


@pytest.mark.parametrize("fate", list(Fate))
def test_a_commit_that_fails_is_made_good(world: RekeyedWorld, fate: Fate) -> None:
    """While it holds, and as it is released."""
    holder = world.holder()
    holder.open()
    holder.step()
    world.broker.fates.append(fate)
    run_on(holder)
    world.note(released=rfc3339(world.now))
    world.live(1)
    world.broker.fates.append(fate)
    run_on(holder)
    assert world.said() == [EVENTS]
    assert learnt(holder) == truth(0, EVENTS + 1 - LATE)
    assert world.again().difference == ""


def test_each_of_many_owners_does_one_step(world: RekeyedWorld) -> None:
    """However often it dies it gets on, and is released once."""
    for _ in range(10):
        owner = world.holder(batch=7)
        owner.open()
        owner.step()
    world.note(released=rfc3339(world.now))
    world.live(2)
    for _ in range(1000):
        owner = world.newcomer(limits=Limits(batch=7, wait_s=0.0))
        owner.open()
        if not owner.step():
            break
    assert world.said() == [EVENTS, EVENTS + 1]
    journal = world.journal()
    assert all(b.previous == a.digest for a, b in pairwise(journal))
    assert len([r for r in journal if r.began]) == 2
    assert world.again().difference == ""


def test_it_looks_now_and_then_for_what_was_copied(world: RekeyedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held shard is polled ten times a second and more, and each look asks the broker."""
    monkeypatch.setattr(holding, "LOOK_S", 0.5)
    now = 0.0
    standing = run(world.holder()).standing
    looks: list[float] = []
    look = holding.Copied.look
    monkeypatch.setattr(holding.Copied, "look", lambda self: (looks.append(now), look(self))[1])
    held = holding.Held(world.broker.reader(), standing, REKEY, lambda: world.now, lambda: now)
    looks.clear()
    for tenth in range(20):
        now = tenth / 10
        assert held.poll(20) == []
    assert looks == [0.0, 0.5, 1.0, 1.5]
    world.live(1)
    world.note()
    now = 2.0
    assert len(held.poll(20)) == 2
    world.note(released=rfc3339(world.now))
    now = 2.1
    assert held.poll(20) == []
    assert held.ending(standing) is not None


def test_an_agent_that_comes_after_the_release_isnt_held(world: RekeyedWorld) -> None:
    """It begins as any other does."""
    world.note(released=rfc3339(world.now))
    late = world.holder()
    late.open()
    assert late.standing.began is None
    assert world.journal() == []


def test_what_somebody_else_writes_there_is_passed_over(world: RekeyedWorld) -> None:
    """However much of it there is."""
    for _ in range(40):
        world.broker.append(REKEY, 0, b"{}")
    holder = run(world.holder())
    assert holder.standing.began is not None
    assert parse_rfc3339(holder.standing.began.at) == world.now
    assert learnt(holder) == truth(0, EVENTS - LATE)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
def test_retention_may_remove_copies_that_were_read(world: RekeyedWorld, *, before: bool, restarted: bool) -> None:
    """With the marker behind them, before the release or after it: nothing is lost by that, and so nobody parks."""
    world.mark()
    holder = run(world.holder())
    if before:
        world.expire()
        if restarted:
            holder.drain()
            holder = run(world.holder())
        run_on(holder)
        world.live(1)
        world.mark()
        world.note()
        run_on(holder)
    world.note(released=rfc3339(world.now))
    if not before:
        world.expire()
        if restarted:
            holder.drain()
            holder = world.holder()
            holder.open()
    world.live(2)
    run_on(holder)
    assert world.said() == list(range(EVENTS + before, EVENTS + before + 2))
    assert learnt(holder) == truth(0, EVENTS + before + 2 - LATE)
    newest = max((r for r in world.journal() if r.began), key=lambda r: r.seq)
    assert newest.began is not None
    assert all(r.end <= p.end for r, p in zip(newest.ranges, newest.began.past, strict=False))


def test_copies_that_retention_removes_before_they_are_read_are_missed(world: RekeyedWorld) -> None:
    """It goes on muted behind them, as far as was copied."""
    holder = run(world.holder())
    world.live(3)
    world.mark()
    world.note()
    world.expire()
    run_on(holder)
    assert holder.standing.positions["plant-in", 0] == EVENTS + 3
    world.live(1)
    world.note(released=rfc3339(world.now))
    world.live(1)
    run_on(holder)
    assert world.said() == [EVENTS + 4]


def test_what_comes_behind_the_release_and_is_removed_parks_the_shard(world: RekeyedWorld) -> None:
    """It was to act on that, and hadn't heard of the release yet."""
    holder = run(world.holder())
    world.live(3)
    world.mark()
    world.note(released=rfc3339(world.now))
    world.live(2)
    world.expire()
    with pytest.raises(
        ShardParked, match=f"up to {EVENTS + 4}, but retention has removed everything before {EVENTS + 6}"
    ):
        run_on(holder)


def test_progress_counts_what_was_copied(world: RekeyedWorld) -> None:
    """It has no end while it is held; the release is told as the end."""
    told: list[tuple[int, int, bool]] = []
    holder = run(world.holder(told=told))
    total = 2 * EVENTS - LATE
    assert told[-1] == (total, total, True)
    world.live(1)
    world.note(released=rfc3339(world.now))
    run_on(holder)
    assert told[-1] == (total + 2, total + 2, False)
