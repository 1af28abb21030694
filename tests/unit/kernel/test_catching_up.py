from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from tests.unit.kernel.history_world import EVENTS, EVERY, LATE, HistoryWorld, Latecomer, learnt, truth
from tests.unit.kernel.transactor_world import START, Kept, Put, run

from rivergate.agents import Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.errors import CommitUnknown, ShardParked, TransactionAborted
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Record
from rivergate.kernel.dead_letters import DeadLetters, Sought
from rivergate.kernel.past import Past
from rivergate.kernel.reach import reach
from rivergate.kernel.replay import replay_commits
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.kernel.written import Written
from rivergate.testing.memory_log import Fate, MemoryReader

BEGINNING = "beginning"


class Talkative(Latecomer):
    """Says something else of one event of the past; knows and learns the same."""

    name = Latecomer.name

    def on_event(self, event: Put, ctx: Context) -> None:
        super().on_event(event, ctx)
        if event.n == EVENTS // 2:
            ctx.publish(Kept(n=event.n, sum=0, text="by the way"))


@pytest.fixture
def world() -> HistoryWorld:
    """Most of a day of history, and nobody who learnt from it."""
    world = HistoryWorld()
    world.live(EVENTS)
    return world


def test_a_newcomer_learns_all_of_history_and_sends_nothing(world: HistoryWorld) -> None:
    """In the order of then, though the bounds of what waits are hours and five labels."""
    transactor = run(world.newcomer(BEGINNING))
    assert learnt(transactor) == truth(0, EVENTS - LATE)
    assert world.written() == []
    assert world.written("plant.proposals") == []
    assert world.dead() == []


@pytest.mark.parametrize("every", [SECOND // 40, SECOND, EVERY])
def test_each_event_is_judged_by_what_was_learnt_by_then(every: Micros) -> None:
    """To a tenth of a second, however many records a commit holds."""
    world = HistoryWorld()
    world.every = every
    world.live(EVENTS)
    fold = run(world.newcomer(BEGINNING)).fold
    assert isinstance(fold, AgentFold)
    agent = fold.state.agent
    assert isinstance(agent, Latecomer)
    within = max(1, SECOND // 10 // every)
    assert all(n - LATE - within < knew <= n - LATE for n, knew in enumerate(agent.knew) if n > LATE)
    assert world.again().difference == ""


def test_what_comes_after_the_first_open_is_not_muted(world: HistoryWorld) -> None:
    """Neither what came while it caught up, nor what comes later, nor timers that weren't due by then."""
    transactor = world.newcomer(BEGINNING)
    transactor.open()
    transactor.step()
    world.live(2)
    run_on(transactor)
    world.live(2)
    run_on(transactor)
    new = list(range(EVENTS, EVENTS + 4))
    assert [v["n"] for v in world.written() if v["n"] >= 0] == new
    assert [v["arguments"]["n"] for v in world.written("plant.proposals")] == new
    rung = [int(v["text"].rpartition("-")[2]) for v in world.written() if v["n"] < 0]
    assert rung == [EVENTS - 2, EVENTS - 1]
    assert learnt(transactor) == truth(0, EVENTS + 4 - LATE)
    assert world.again().difference == ""


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
@pytest.mark.parametrize("drained", [False, True])
def test_whoever_takes_over_in_the_middle_goes_on_muted(world: HistoryWorld, steps: int, *, drained: bool) -> None:
    """The journal alone says so, or a snapshot; the state is what it would have been."""
    undisturbed = HistoryWorld()
    undisturbed.live(EVENTS)
    expected = run(undisturbed.newcomer(BEGINNING)).fold.digest()
    first = world.newcomer(BEGINNING)
    first.open()
    for _ in range(steps):
        first.step()
    assert first.standing.began is not None
    if drained:
        first.drain()
    world.live(1)
    second = run(world.newcomer())
    assert [v["n"] for v in world.written() if v["n"] >= 0] == [EVENTS]
    assert learnt(second) == truth(0, EVENTS + 1 - LATE)
    assert world.again().difference == ""
    run(undisturbed.newcomer())
    undisturbed.live(1)
    assert run(undisturbed.newcomer()).fold.digest() == second.fold.digest() != expected


def test_each_of_many_owners_does_one_step(world: HistoryWorld) -> None:
    """However often it dies it gets on, and the journal has one chain."""
    owners = 0
    while owners < 1000:
        owner = world.newcomer(BEGINNING, limits=Limits(batch=7, wait_s=0.0))
        owner.open()
        if owner.standing.began is None:
            break
        owner.step()
        owners += 1
    assert EVENTS < owners < 1000
    assert learnt(owner) == truth(0, EVENTS - LATE)
    assert world.written() == []
    journal = world.journal()
    assert all(b.previous == a.digest for a, b in pairwise(journal))
    assert [r.began is not None for r in journal] == [True] + [False] * (len(journal) - 1)


@pytest.mark.parametrize("fate", list(Fate))
def test_a_commit_that_fails_on_the_way_is_made_good(world: HistoryWorld, fate: Fate) -> None:
    """The state is rebuilt, and history read again from there."""
    transactor = world.newcomer(BEGINNING)
    transactor.open()
    transactor.step()
    world.broker.fates.append(fate)
    run_on(transactor)
    assert learnt(transactor) == truth(0, EVENTS - LATE)
    assert world.written() == []
    assert world.again().difference == ""


@pytest.mark.parametrize("fate", list(Fate))
def test_a_first_commit_that_fails_is_tried_again(world: HistoryWorld, fate: Fate) -> None:
    """Whether it was written or not, there is one beginning, and what came meanwhile is past or present accordingly."""
    world.broker.fates.append(fate)
    with pytest.raises((TransactionAborted, CommitUnknown)):
        world.newcomer(BEGINNING).open()
    world.live(1)
    run(world.newcomer(BEGINNING))
    began = [r.began for r in world.journal() if r.began is not None]
    assert len(began) == 1
    news = began[0].past[0].end == EVENTS
    assert [v["n"] for v in world.written() if v["n"] >= 0] == [EVENTS] * news
    assert world.again().difference == ""


def test_the_journal_says_what_was_muted_and_a_replay_is_held_against_it(world: HistoryWorld) -> None:
    """Code that would have said something else then differs, though its state and what it wrote are the same."""
    run(world.newcomer(BEGINNING))
    journal = world.journal()
    began = journal[0].began
    assert began is not None
    assert (began.start, began.at) == (BEGINNING, rfc3339(world.now))
    assert [(r.topic, r.start, r.end) for r in began.past] == [
        ("plant-in", 0, EVENTS),
        ("plant.labels", 0, EVENTS - LATE),
    ]
    assert [r.muted is not None for r in journal] == [False] + [True] * (len(journal) - 1)
    assert sum(r.muted.outputs.get("plant.proposals", 0) for r in journal if r.muted) == EVENTS
    assert all(r.outputs == {} for r in journal)
    assert world.again().difference == ""
    assert "muted" in world.again(Talkative).difference


def test_a_part_of_history_can_be_replayed_and_its_difference_is_named(world: HistoryWorld) -> None:
    """Commit by commit, as `rivergate replay --shard` does."""
    run(world.newcomer(BEGINNING))
    spec = world.spec()
    wanted = [r.seq for r in world.journal()]
    world.blobs.kept.clear()  # a state of another class is another state
    for agent, difference in ((Latecomer, ""), (Talkative, "what was muted differs")):
        past = Past(spec, world.broker.reader(), lambda a=agent: AgentFold(world.app, a), world.store(spec))
        found = replay_commits(past, Written(spec, world.broker.reader()), wanted)
        assert difference in (found.difference.what if found.difference else "")
        assert (found.difference is None) == (difference == "")


def test_beginning_at_a_time_passes_over_what_was_before(world: HistoryWorld) -> None:
    """It learns of what came since; the ranges of its first commit say what it never read."""
    middle = EVENTS // 2
    transactor = run(world.newcomer(rfc3339(START + middle * EVERY)))
    fold = transactor.fold
    assert isinstance(fold, AgentFold)
    agent = fold.state.agent
    assert isinstance(agent, Latecomer)
    assert agent.learnt == truth(middle, EVENTS - LATE)
    assert world.journal()[0].ranges == (("plant-in", 0, 0, middle), ("plant.labels", 0, 0, middle - LATE))
    assert world.again().difference == ""
    assert world.written() == []


def test_what_was_passed_over_may_be_removed(world: HistoryWorld) -> None:
    """A replay from nothing doesn't need it, and retention that comes later takes nothing away."""
    middle = EVENTS // 2
    run(world.newcomer(rfc3339(START + middle * EVERY)))
    world.broker.trim(("plant-in", 0), middle)
    world.broker.trim(("plant.labels", 0), middle - LATE)
    assert world.again().difference == ""
    spec = world.spec()
    found = reach(spec, world.broker.reader(), world.store(spec))
    assert found.first == 0
    assert found.needs[("plant-in", 0)] == middle


def test_history_begins_where_retention_has_left_it(world: HistoryWorld) -> None:
    """The beginning is that of what is still there."""
    world.broker.trim(("plant-in", 0), 40)
    world.broker.trim(("plant.labels", 0), 40)
    transactor = run(world.newcomer(BEGINNING))
    fold = transactor.fold
    assert isinstance(fold, AgentFold)
    assert isinstance(fold.state.agent, Latecomer)
    assert fold.state.agent.learnt == truth(40, EVENTS - LATE)


class OneByOne(MemoryReader):
    """Finds out only at each record whether it is still there, as a consumer does at each fetch."""

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Committed records with `start <= offset < end`."""
        for at in range(start, end):
            yield from super().read(topic, partition, at, at + 1)


@pytest.mark.parametrize("stopped", [False, True])
def test_what_retention_removes_before_it_is_read_is_missed(
    world: HistoryWorld, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    """While it reads, or while it is stopped: it begins anew behind that, says so, and acts on nothing of it."""
    monkeypatch.setattr(world.broker, "reader", lambda: OneByOne(world.broker))
    newcomer = world.newcomer(BEGINNING)
    newcomer.open()
    for _ in range(30):
        newcomer.step()
    if stopped:
        newcomer.drain()
        newcomer = world.newcomer()
    world.broker.trim(("plant-in", 0), 90)
    world.broker.trim(("plant.labels", 0), 80)
    if stopped:
        newcomer.open()
    run_on(newcomer)
    world.live(1)
    run_on(newcomer)
    assert [v["n"] for v in world.written() if v["n"] >= 0] == [EVENTS]
    begun = [r for r in world.journal() if r.began is not None]
    assert [r.began for r in begun] == [begun[0].began] * 2
    assert {(r.topic, r.end) for r in begun[1].ranges} == {("plant-in", 90), ("plant.labels", 80)}
    assert all(f"offsets of {r.topic}/0 from {r.start} on" in caplog.text for r in begun[1].ranges)
    assert run(world.newcomer()).fold.digest() == newcomer.fold.digest()
    spec = world.spec()
    first = begun[1].seq + (not stopped)  # what a drain has left is a start, since nothing removed was read after it
    assert reach(spec, world.broker.reader(), world.store(spec)).first == begun[1].seq + 1
    past = Past(spec, world.broker.reader(), lambda: AgentFold(world.app, Latecomer), world.store(spec))
    again = [r.seq for r in world.journal() if r.seq >= first]
    assert replay_commits(past, Written(spec, world.broker.reader()), again).difference is None


def test_what_retention_removes_of_the_present_still_parks_a_newcomer(world: HistoryWorld) -> None:
    """It was to act on that."""
    newcomer = world.newcomer(BEGINNING)
    newcomer.open()
    newcomer.step()
    world.live(1)
    world.broker.trim(("plant-in", 0), EVENTS + 1)
    with pytest.raises(ShardParked, match=f"up to {EVENTS}, but retention has removed everything before {EVENTS + 1}"):
        run_on(newcomer)
    assert world.written() == []


def test_a_record_of_history_that_fails_goes_to_the_dead_letters(world: HistoryWorld) -> None:
    """Nothing is lost, muted or not; those of then are told from those of now, and a replay writes both alike."""
    world.live(1, "raise")
    world.broker.append("plant-in", 0, b"{no json")
    world.live(5)
    newcomer = run(world.newcomer(BEGINNING))
    assert len(world.dead()) == 2
    assert [o for r in world.journal() for _, _, o in r.skipped] == [EVENTS, EVENTS + 1]
    world.live(1, "raise")
    run_on(newcomer)
    letters = DeadLetters(world.broker.reader(), world.app).find(Sought())
    assert [x.is_muted for x in letters] == [True, True, False]
    assert world.again().difference == ""
    spec = world.spec()
    past = Past(spec, world.broker.reader(), lambda: AgentFold(world.app, Latecomer), world.store(spec))
    everything = range(len(world.journal()))
    assert replay_commits(past, Written(spec, world.broker.reader()), everything).difference is None


def test_a_log_without_history_begins_at_once() -> None:
    """There is nothing to catch up with."""
    world = HistoryWorld()
    transactor = world.newcomer(BEGINNING)
    transactor.open()
    assert transactor.standing.began is None
    world.live(1)
    run_on(transactor)
    assert [v["n"] for v in world.written()] == [0]


def test_an_agent_with_a_journal_goes_on_from_it(world: HistoryWorld) -> None:
    """Where it begins was decided once."""
    run(world.newcomer())
    said = len(world.written())
    world.live(1)
    run(world.newcomer(BEGINNING))
    assert said >= EVENTS
    assert world.written()[-1]["n"] in {-1, EVENTS}
    assert all(r.began is None and r.muted is None for r in world.journal())


def test_progress_is_told_up_to_the_end(world: HistoryWorld) -> None:
    """In offsets, over all inputs."""
    told: list[tuple[int, int, bool]] = []
    run(world.newcomer(BEGINNING, told=told))
    total = 2 * EVENTS - LATE
    assert told[-1] == (total, total, False)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert len({done for done, *_ in told}) > 2


def test_spans_say_that_they_are_muted_and_what_would_have_been_sent(world: HistoryWorld) -> None:
    """So a trace shows what the agent would have proposed."""
    run(world.newcomer(BEGINNING))
    records = world.broker.records("plant.otlp_spans")
    spans = [s for r in records for s in spans_of(r.value or b"") if s.name.startswith("invoke_agent")]
    assert spans
    assert all(any(a.key == "rivergate.muted" and a.value.bool_value for a in s.attributes) for s in spans)
    said = [e for s in spans for e in s.events if e.name == "not sent"]
    proposals = [e for e in said if any(a.value.string_value == "plant.proposals" for a in e.attributes)]
    assert len(proposals) == EVENTS
    assert any('"kind":"note"' in a.value.string_value for a in proposals[0].attributes)


def test_records_of_shards_without_history_are_written_as_before(world: HistoryWorld) -> None:
    """The new fields aren't there, and what has them reads back equal."""
    run(world.newcomer(BEGINNING))
    first, second, *_ = world.journal()
    for record in (first, second):
        assert CommitRecord.from_json(record.to_json()) == record
    plain = replace(first, began=None, muted=None).to_json()
    assert b"began" not in plain
    assert b"muted" not in plain


def spans_of(value: bytes) -> list[Span]:
    """The spans of one message."""
    data = TracesData.FromString(value)
    return [s for r in data.resource_spans for scope in r.scope_spans for s in scope.spans]


def run_on(transactor: Transactor) -> None:
    """Step until there is nothing to do."""
    while transactor.step():
        pass
