"""Which shards move where, and in which steps, on a host of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runtime.crew_ground import Ground

from rivergate.adapters.kafka_status import ShardStatus
from rivergate.domain.errors import BadInput, ConfigError, RivergateError
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.supervision import plan
from rivergate.runtime.supervision.arrivals import tell_arrival
from rivergate.runtime.supervision.moves import DRAIN_S, SILENT_S, Moves, Steps
from rivergate.runtime.supervision.plan import Slot

STAGE = "agent-x"
SHARDS = (0, 1, 2, 3)
FIRST = Slot("agent-x-0", "agent", STAGE, SHARDS)
SPARE = Slot("agent-x-spare-0", "agent", STAGE)
GATE = Slot("gate-0", "gate", "gate", (0,))
STEPS = 200


class Mover:
    """Moves on a crew whose workers obey: told to drain, a shard stops, given to a worker, it runs."""

    def __init__(self, folder: Path) -> None:
        self.ground = Ground(folder)
        self.crew = self.ground.crew
        self.crew.start([FIRST, SPARE, GATE])
        self.now = 0.0
        self.moves = Moves(self.crew, self.hand, lambda _: True, 1, lambda: self.now)
        self.owners = {(STAGE, s): self.ground.in_slot(FIRST) for s in SHARDS} | {
            ("gate", 0): self.ground.in_slot(GATE)
        }
        self.told: list[tuple[str, int, str]] = []
        self.obey = True
        self.unreadable: set[int] = set()
        self.first = self.ground.in_slot(FIRST)
        self._next_reports: list[tuple[str, int, str, str]] = []
        self.reports: dict[tuple[str, int], ShardStatus] = {}
        self.moves.reports = self.reports
        for (stage, shard), worker in self.owners.items():
            self.report(stage, shard, worker, "running")

    def hand(self, stage: str, shard: int, worker: str) -> None:
        """See `Moves`."""
        before = self.owners[stage, shard]
        self.told.append((stage, shard, worker))
        self.owners[stage, shard] = worker
        if self.obey:
            state = (
                "stopped"
                if not worker
                else "parked"
                if shard in self.unreadable and worker != self.first
                else "running"
            )
            self._next_reports.append((stage, shard, worker or before, state))

    def report(self, stage: str, shard: int, worker: str, state: str) -> None:
        """A worker says what it does with a shard."""
        why = "can't read it\n→ mend it" if state == "parked" else ""
        self.reports[stage, shard] = ShardStatus(stage, shard, worker, state, why, "")

    def run(self, steps: Steps, until: Callable[[], bool] = lambda: False) -> bool:
        """Take steps to the end, or until it holds; whether they came to their end."""
        for _ in range(STEPS):
            if until():
                return False
            if next(steps, None) is None:
                return True
            self.crew.revive()
            while self._next_reports:
                self.report(*self._next_reports.pop(0))
        raise AssertionError(f"no end after {STEPS} steps")

    def spread(self, stage: str = STAGE) -> dict[str, tuple[int, ...]]:
        """Shards of each of the stage's slots."""
        return {i.slot.name: i.slot.shards for i in self.crew.of(stage)}

    def names(self, stage: str = STAGE) -> set[str]:
        """The stage's incarnations."""
        return {i.name for i in self.crew.of(stage)}


@pytest.fixture
def mover(tmp_path: Path) -> Mover:
    """One worker with four shards, its spare, and the gate."""
    return Mover(tmp_path)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.integers(1, 9))
def test_shards_are_spread_evenly_by_the_fewest_moves(sizes: list[int], workers: int) -> None:
    """No two slots that have some differ by more than one, the others have none, and no shard moves in vain."""
    numbers = iter(range(100))
    owned = {f"s{i}": tuple(next(numbers) for _ in range(n)) for i, n in enumerate(sizes)}
    after = {slot: set(shards) for slot, shards in owned.items()}
    moves = plan.moves(owned, workers)
    for shard, to in moves:
        [before] = [slot for slot, shards in after.items() if shard in shards]
        after[before].remove(shard)
        after[to].add(shard)
    counts = sorted(map(len, after.values()), reverse=True)
    busy = counts[: min(workers, len(counts))]
    assert sum(counts) == sum(busy) == sum(sizes)
    assert busy[0] - busy[-1] <= 1
    wanted = sorted(sizes, reverse=True)
    assert len(moves) == sum(max(0, had - has) for had, has in zip(wanted, counts, strict=True))


def test_nothing_moves_before_the_new_process_has_imported_everything(mover: Mover) -> None:
    """Then two of four shards go over, each nobody's in between, and the other two aren't touched."""
    mover.ground.arrive_at_once = False
    steps = mover.moves.scale(STAGE, 2)
    assert not mover.run(steps, lambda: "agent-x-1" in mover.spread())
    for _ in range(3):
        next(steps)
    assert mover.told == []
    recruit = mover.ground.in_slot(Slot("agent-x-1", "agent", STAGE))
    tell_arrival(mover.ground.data, recruit)
    assert mover.run(steps)
    assert mover.told == [(STAGE, 2, ""), (STAGE, 2, recruit), (STAGE, 3, ""), (STAGE, 3, recruit)]
    assert mover.spread() == {"agent-x-0": (0, 1), "agent-x-spare-0": (), "agent-x-1": (2, 3)}
    assert [(m.shard, m.after, m.state) for m in mover.moves.done.moved] == [
        ("agent-x/2", recruit, "running"),
        ("agent-x/3", recruit, "running"),
    ]


def test_workers_that_lose_all_their_shards_end(mover: Mover) -> None:
    """In good order, and the spare stays one."""
    assert mover.run(mover.moves.scale(STAGE, 4))
    before = mover.ground.in_slot(FIRST)
    assert mover.run(mover.moves.scale(STAGE, 1))
    assert mover.spread() == {"agent-x-0": SHARDS, "agent-x-spare-0": ()}
    assert mover.ground.in_slot(FIRST) == before
    assert [n for n, p in mover.ground.processes.items() if p.runs and n.startswith(STAGE)] == [
        before,
        mover.ground.in_slot(SPARE),
    ]


def test_an_owner_is_waited_for_until_it_has_drained(mover: Mover) -> None:
    """It may take its time, but not for ever: then its successor fences it."""
    mover.obey = False
    steps = mover.moves.scale(STAGE, 2)
    old = mover.owners[STAGE, 2]
    for _ in range(5):
        next(steps)
    assert mover.told == [(STAGE, 2, "")]
    mover.report(STAGE, 2, old, "stopped")
    next(steps)
    recruit = mover.owners[STAGE, 2]
    assert mover.told[1:] == [(STAGE, 2, recruit)]
    mover.report(STAGE, 2, recruit, "running")
    next(steps)
    assert mover.told[2:] == [(STAGE, 3, "")]
    mover.now += DRAIN_S
    next(steps)
    assert mover.told[3:] == [(STAGE, 3, recruit)]


def test_a_dead_owner_is_not_waited_for(mover: Mover) -> None:
    """It drains nothing any more."""
    mover.obey = False
    steps = mover.moves.scale(STAGE, 2)
    mover.run(steps, lambda: mover.told == [(STAGE, 2, "")])
    mover.ground.processes[mover.ground.in_slot(FIRST)].runs = False
    next(steps)
    assert mover.told[1:] == [(STAGE, 2, mover.ground.in_slot(Slot("agent-x-1", "agent", STAGE)))]


def test_a_shard_that_never_comes_up_is_told(mover: Mover) -> None:
    """One that recovers for long is waited for as long as it says something new."""
    mover.obey = False
    steps = mover.moves.scale(STAGE, 2)
    next(steps)
    mover.report(STAGE, 2, mover.owners[STAGE, 0], "stopped")
    for share in range(5):
        next(steps)
        mover.report(STAGE, 2, mover.owners[STAGE, 2], f"starting {share}")
        mover.now += SILENT_S - 1.0
    for again in range(3):  # workers repeat every two seconds what they said
        next(steps)
        mover.now += SILENT_S / 3 + 1.0
        mover.reports[STAGE, 2] = replace(mover.reports[STAGE, 2], at=f"{again}")
    with pytest.raises(RivergateError, match="nothing new has been heard of agent-x/2 for 60 s"):
        next(steps)


def test_a_restart_replaces_every_process_and_keeps_the_spread(mover: Mover) -> None:
    """One after another, the spare first; never is more than one process more there."""
    assert mover.run(mover.moves.scale(STAGE, 2))
    old, gate = mover.names(), mover.names("gate")
    spread = sorted(mover.spread().values())
    sizes = []

    def look() -> bool:
        sizes.append(len(mover.names()))
        return False

    mover.told.clear()
    mover.moves.done.ended.clear()
    assert mover.run(mover.moves.restart([STAGE]), look)
    assert mover.names() & old == set()
    assert sorted(mover.spread().values()) == spread
    assert max(sizes) == len(old) + 1
    assert mover.moves.done.ended == ["agent-x-spare-0", "agent-x-0", "agent-x-1"]
    assert all(a[1] == b[1] and a[2] == "" for a, b in list(pairwise(mover.told))[::2]), "one shard at a time"
    assert mover.names("gate") == gate
    assert mover.run(mover.moves.restart([]))
    assert mover.names("gate") & gate == set()


def test_a_process_that_dies_meanwhile_leaves_as_many_workers(mover: Mover) -> None:
    """Its shards are the new spare's, and all is as it should be in the end."""
    steps = mover.moves.restart([STAGE])
    assert not mover.run(steps, lambda: len(mover.told) == 3)
    mover.ground.processes[mover.ground.in_slot(FIRST)].runs = False
    assert mover.run(steps)
    assert sorted(mover.spread().values()) == [(), SHARDS]


def test_a_new_process_that_dies_gets_nothing_more_before_it_is_there_again(mover: Mover) -> None:
    """What it had is the spare's; what it got while it starts again would be taken from it again and again."""
    steps = mover.moves.restart([STAGE])
    assert not mover.run(steps, lambda: len(mover.told) == 2)
    [recruit] = [i.slot for i in mover.crew.of(STAGE) if i.slot.shards == (0,)]
    mover.ground.arrive_at_once = False
    mover.ground.processes[mover.ground.in_slot(recruit)].runs = False
    mover.crew.revive()
    assert mover.spread()[recruit.name] == ()
    mover.owners[STAGE, 0] = mover.crew.owner_of(STAGE, 0).name
    mover.report(STAGE, 0, mover.owners[STAGE, 0], "running")
    for _ in range(9):
        next(steps)
        mover.crew.revive()
    assert len(mover.told) == 2
    mover.ground.arrive_at_once = True
    tell_arrival(mover.ground.data, mover.ground.in_slot(recruit))
    assert mover.run(steps)
    assert sorted(mover.spread().values()) == [(), SHARDS]


@pytest.mark.parametrize("change", [lambda m: m.scale(STAGE, 3), lambda m: m.restart([STAGE])])
def test_a_new_process_that_cannot_begin_changes_nothing(mover: Mover, change: Callable[[Moves], Steps]) -> None:
    """What it said is told, and the old ones go on."""
    mover.ground.arrive_at_once = False
    before = mover.names()
    steps = change(mover.moves)
    next(steps)
    [recruit, *_] = mover.names() - before
    leave_ending(mover.ground.data, recruit, ConfigError("no such model", remedy="bring it"))
    mover.ground.processes[recruit].runs = False
    with pytest.raises(RivergateError, match="the old ones go on: no such model\n→ bring it"):
        mover.run(steps)
    assert mover.names() == before
    assert mover.told == []


def test_a_shard_that_new_code_cannot_read_goes_back(mover: Mover) -> None:
    """Nothing else moves, and no process stays that has got nothing."""
    mover.unreadable = {0}
    with pytest.raises(
        RivergateError, match="is running at agent-x-0 now; nothing else moves: can't read it\n→ see agent-x-2"
    ):
        mover.run(mover.moves.restart([STAGE]))
    assert {shard for stage, shard, _ in mover.told} == {0}
    assert min(mover.spread().items()) == ("agent-x-0", SHARDS)
    assert mover.ground.in_slot(FIRST) == mover.first
    assert len(mover.names()) == 2
    mover.unreadable = {1}
    with pytest.raises(RivergateError, match="agent-x/1 parked at its new worker"):
        mover.run(mover.moves.restart([STAGE]))
    assert sorted(mover.spread().values()) == [(), (0,), (1, 2, 3)], "what was done stays"
    mover.unreadable = set()
    assert mover.run(mover.moves.restart([STAGE]))
    assert sorted(mover.spread().values()) == [(), SHARDS]


def test_a_shard_that_was_parked_may_be_so_again(mover: Mover) -> None:
    """It is none of the new process's doing."""
    mover.unreadable = {0}
    mover.report(STAGE, 0, mover.first, "parked")
    assert mover.run(mover.moves.restart([STAGE]))
    assert {m.shard: m.state for m in mover.moves.done.moved} == {
        f"{STAGE}/{n}": "parked" if n == 0 else "running" for n in SHARDS
    }


def test_a_recruit_that_is_killed_is_started_again(mover: Mover) -> None:
    """Twice; whoever kills it a third time means it."""
    mover.ground.arrive_at_once = False
    steps = mover.moves.scale(STAGE, 2)
    for _ in range(2):
        next(steps)
        mover.ground.processes[mover.ground.in_slot(Slot("agent-x-1", "agent", STAGE))].runs = False
    next(steps)
    mover.ground.processes[mover.ground.in_slot(Slot("agent-x-1", "agent", STAGE))].runs = False
    with pytest.raises(RivergateError, match="ended: the test ended it"):
        next(steps)


@pytest.mark.parametrize(
    ("stage", "workers", "why"),
    [
        (STAGE, 5, "it has 4 shards, one for each partition"),
        (STAGE, 0, "ask for 1 to 4"),
        ("gate", 2, "gate has one worker, always"),
        ("agent-y", 1, "name one of agent-x, gate"),
    ],
)
def test_what_cannot_be_is_refused(mover: Mover, stage: str, workers: int, why: str) -> None:
    """Before anything is started."""
    with pytest.raises(BadInput, match=why):
        next(mover.moves.scale(stage, workers))
    assert mover.names() == {mover.ground.in_slot(FIRST), mover.ground.in_slot(SPARE)}
