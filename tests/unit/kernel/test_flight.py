from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, START, Doubling, Summing, World, run

from rivergate.agents.fold import AgentFold
from rivergate.domain.errors import Fenced, RivergateError, ShardParked
from rivergate.domain.record import Record
from rivergate.kernel.flight import Flight
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import RUN_S, Transactor
from rivergate.ports import Batch, Outputs
from rivergate.testing.memory_log import Fate, MemoryReader

PATIENCE_S = 10.0
SOON_S = 0.2
"""Within so long a fault would show."""
PAIRS = Limits(batch=2, wait_s=0.0)


class Crash(BaseException):
    """The process dies here: nobody catches it."""


def hooked(world: World, hook: object, limits: Limits = PAIRS, **more: object) -> Transactor:
    """A transactor, opened, whose commits call `hook`."""
    transactor = world.transactor(limits=limits, **more)  # type: ignore[arg-type]
    transactor._tools = replace(transactor._tools, hook=hook)  # type: ignore[arg-type]
    transactor.open()
    return transactor


def backlog(events: int) -> World:
    """A world in which so many events wait."""
    world = World()
    for n in range(1, events + 1):
        world.put(n)
    return world


def sums(events: int) -> list[int]:
    """What a world with that backlog has to write."""
    return [n * (n + 1) // 2 for n in range(1, events + 1)]


def finish(transactor: Transactor) -> None:
    """Step until there is nothing to do."""
    while transactor.step():
        pass


def test_a_full_batch_is_folded_while_the_commit_before_it_is_in_flight() -> None:
    """The commit waits for the next fold: it would wait for ever if that began only afterwards."""
    world = backlog(4)
    folded = threading.Semaphore(0)

    class Watched(AgentFold):
        def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
            super().fold(batch, records, out)
            folded.release()

    def hook(step: str) -> None:
        if step == "commit" and not world.journal():
            assert folded.acquire(timeout=PATIENCE_S)
            assert folded.acquire(timeout=PATIENCE_S)

    transactor = hooked(world, hook, make=lambda: Watched(world.app, Summing))
    assert transactor.step()
    assert [v["sum"] for v in world.written()] == sums(4)


def test_no_transaction_begins_before_the_one_before_it_has_ended() -> None:
    """The steps of two commits never mix, whichever thread they are taken in."""
    world = backlog(40)
    steps: list[str] = []
    finish(hooked(world, steps.append))
    wanted = ["begin", "outputs", "spans", "journal", "offsets", "commit", "committed"]
    assert steps == wanted * 20


def test_one_step_handles_a_run_of_full_batches_and_leaves_none_in_flight() -> None:
    """So that a stop is heard soon, and a drain finds the shard at rest."""
    world = backlog(20)
    transactor = hooked(world, lambda step: None)
    eighths = count()
    transactor._tools = replace(transactor._tools, monotonic=lambda: next(eighths) * RUN_S / 8)
    transactor.step()
    assert (transactor.standing.seq, len(world.journal())) == (8, 8)
    transactor.drain()
    assert world.journal()[-1].snapshot is not None
    finish(transactor)
    assert [v["sum"] for v in world.written()] == sums(20)
    assert world.replay().difference == ""


def test_what_is_no_full_batch_waits_for_the_commit_and_takes_what_comes_meanwhile() -> None:
    """To fold it at once would make more and smaller commits."""
    world = backlog(3)

    def hook(step: str) -> None:
        if step == "commit" and not world.journal():
            world.put(4)

    hooked(world, hook).step()
    assert [[r[2:] for r in record.ranges] for record in world.journal()] == [[(0, 2)], [(2, 4)]]


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("at", range(4))
def test_what_was_folded_behind_a_commit_that_failed_is_folded_again(fate: Fate, at: int) -> None:
    """Whichever commit of a run fails, and in whichever way: nothing is lost, doubled or out of order."""
    world = backlog(9)
    commits = []

    def hook(step: str) -> None:
        if step == "commit":
            commits.append(step)
            if len(commits) == at + 1:
                world.broker.fates.append(fate)

    finish(hooked(world, hook))
    assert not world.broker.fates
    assert [v["sum"] for v in world.written()] == sums(9)
    assert [r.seq for r in world.journal()] == list(range(5))
    assert world.replay().difference == ""


def test_a_record_that_fails_behind_a_commit_in_flight_is_a_dead_letter_and_the_commit_stands() -> None:
    """The rebuild begins only when the journal has the commit."""
    world = World()
    for n, text in enumerate(("", "", "", "raise", "", "raise")):
        world.put(n + 1, text)
    rebuilt = threading.Event()
    early: list[bool] = []

    def hook(step: str) -> None:
        if step == "commit" and not world.journal():
            early.append(rebuilt.wait(SOON_S))

    def reader() -> MemoryReader:
        rebuilt.set()
        return world.broker.reader()

    transactor = hooked(world, hook)
    transactor._tools = replace(transactor._tools, reader=reader)
    finish(transactor)
    assert rebuilt.is_set()
    assert early == [False]
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 11]
    assert len(world.dead()) == 2
    assert world.replay().difference == ""


@pytest.mark.parametrize("step", ["begin", "outputs", "journal", "commit"])
def test_a_crash_in_flight_ends_the_step(step: str) -> None:
    """What dies there dies for the shard's thread too, and the next owner finds everything in order."""
    world = backlog(6)

    def hook(at: str) -> None:
        if at == step and world.journal():
            raise Crash

    with pytest.raises(Crash):
        hooked(world, hook).step()
    finish(hooked(world, lambda at: None))
    assert [v["sum"] for v in world.written()] == sums(6)
    assert world.replay().difference == ""


def test_a_successor_fences_a_commit_in_flight() -> None:
    """The old owner hears of it and writes nothing more."""
    world = backlog(6)
    successors: list[Transactor] = []

    def hook(step: str) -> None:
        if step == "commit" and not successors:
            successors.append(hooked(world, lambda at: None))

    with pytest.raises(Fenced):
        hooked(world, hook).step()
    finish(successors[0])
    assert [v["sum"] for v in world.written()] == sums(6)


def test_a_log_that_fails_while_a_commit_is_in_flight_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever closes the shard then finds its log at rest."""
    world = backlog(6)
    failed, ended = threading.Event(), threading.Event()

    def hook(step: str) -> None:
        if step == "commit":
            failed.wait(PATIENCE_S)
        if step == "committed":
            ended.set()

    transactor = hooked(world, hook)
    log = transactor._log
    polls = iter([log.poll(2, 0.0)])

    def poll(limit: int, wait_s: float) -> Sequence[Record]:
        try:
            return next(polls)
        except StopIteration:
            failed.set()
            raise RivergateError("the broker is away") from None

    monkeypatch.setattr(log, "poll", poll)
    with pytest.raises(RivergateError, match="away"):
        transactor.step()
    assert ended.is_set()
    transactor.close()


def test_a_clock_ahead_of_the_brokers_parks_the_shard_from_a_flight_too() -> None:
    """The commit that shows it is the last."""
    world = backlog(6)
    world.broker._clock_ms = lambda: START // 1000 - 3_600_000
    with pytest.raises(ShardParked, match="ahead of the broker's"):
        hooked(world, lambda step: None).step()
    assert len(world.journal()) == 1


def test_an_acceptance_of_other_code_is_journalled_once() -> None:
    """In the first commit of the new code, and in none that is folded behind it."""
    world = backlog(2)
    run(world.transactor(limits=PAIRS))
    for n in range(3, 9):
        world.put(n)
    accept = {"who": "operator", "why": "a test"}
    run(world.transactor(Doubling, code=NEW_CODE, accept=accept, limits=PAIRS))
    assert [r.accepted_code for r in world.journal()] == [None, accept, None, None]


def test_a_flight_takes_one_commit_at_a_time() -> None:
    """A second one would be a fault of the driver."""
    world = backlog(2)
    hooked(world, lambda step: None).step()
    flight, gate = Flight("s"), threading.Event()
    flight.start(world.journal()[0], partial(gate.wait, PATIENCE_S))
    with pytest.raises(RuntimeError, match="in flight already"):
        flight.start(world.journal()[0], lambda: None)
    gate.set()
    flight.close()
    flight.close()
    assert flight.land() is None
