from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import random

import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, Doubling, Put, Summing, World, run

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.errors import ReplayMismatch
from rivergate.domain.record import Position, Record, TopicPartition
from rivergate.kernel.keeping import HOUR
from rivergate.kernel.past import NothingToReplay, Past, newest_entry
from rivergate.kernel.reach import reach
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.kernel.tools import Limits
from rivergate.kernel.written import Written
from rivergate.testing.memory_log import MemoryReader

OFTEN = Limits(batch=1, wait_s=0.0, replay_s=0.0, snapshot_share=1e9)
"""A snapshot after every commit."""
NEVER = Limits(batch=1, wait_s=0.0, replay_s=1e9)


class Failing(Summing):
    """What `Summing` becomes when its engineer makes a mistake."""

    name = Summing.name

    def on_event(self, event: Put, ctx: Context) -> None:
        if event.n == 4:
            raise ValueError("four")
        super().on_event(event, ctx)


def lived(count: int = 8, limits: Limits = OFTEN) -> World:
    """A world in which so many events were summed, one a commit."""
    world = World()
    for n in range(1, count + 1):
        world.put(n)
    run(world.transactor(limits=limits))
    return world


def past(world: World, agent: type[Agent] = Summing) -> Past:
    """The shard's past under an agent's code."""
    spec = world.spec()
    return Past(spec, world.broker.reader(), lambda: AgentFold(world.app, agent), world.store(spec))


def replayed(world: World, wanted: Sequence[int], agent: type[Agent] = Summing) -> ReplayedPart:
    """These commits again."""
    return replay_commits(past(world, agent), Written(world.spec(), world.broker.reader()), wanted)


def test_a_part_begins_with_the_newest_snapshot_before_it() -> None:
    """Nothing earlier is folded, and each output is compared with its topic."""
    found = replayed(lived(), range(5, 8))
    assert found.difference is None
    assert found.start is not None
    assert (found.start.seq, found.folded, found.commits, found.outputs, found.gone) == (4, 3, 3, 3, 0)
    assert [t.recorded for t in found.told] == [t.again for t in found.told]


def test_without_a_snapshot_all_before_it_is_folded() -> None:
    """On the way digests are compared, at the end outputs too."""
    found = replayed(lived(limits=NEVER), [6])
    assert (found.start, found.folded, found.commits) == (None, 7, 1)


def test_commits_far_apart_take_a_snapshot_each() -> None:
    """What lies between two of them needn't be folded."""
    assert replayed(lived(9), [2, 8]).folded == 2


def test_changed_code_shows_the_first_difference_field_by_field() -> None:
    """Which commit, which output, where it stands, what it was and what it is."""
    found = replayed(lived(), range(8), Doubling)
    difference = found.difference
    assert difference is not None
    assert (difference.seq, difference.output, difference.place) == (0, 0, "plant-out/0/0")
    assert [(f.field, f.recorded, f.again) for f in difference.fields] == [("value.sum", 1, 2)]
    assert found.told[-1].recorded != found.told[-1].again


def test_code_that_fails_now_is_a_difference() -> None:
    """A record that was handled then would be a dead letter now."""
    difference = replayed(lived(limits=NEVER), range(8), Failing).difference
    assert difference is not None
    assert (difference.seq, "ValueError: four" in difference.what) == (3, True)


class Lucky(Summing):
    """Learns something at random, which none of its outputs shows."""

    def on_event(self, event: Put, ctx: Context) -> None:
        super().on_event(event, ctx)
        self.luck = random()


def test_a_learner_that_is_not_seeded_is_found_by_its_state() -> None:
    """All of its outputs are equal, and all digests of commits."""
    world = World()
    for n in range(1, 9):
        world.put(n)
    run(world.transactor(Lucky, limits=OFTEN))
    found = replayed(world, range(8), Lucky)
    assert found.difference is not None
    assert (found.difference.seq, found.commits, found.outputs) == (0, 1, 1)
    assert found.difference.what.startswith("the state after commit 0 is ")
    assert [t.recorded for t in found.told] == [t.again for t in found.told]


def test_a_change_in_learning_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the way to the commit that was asked for, too; where no snapshot tells, nobody can know."""
    worlds = lived(), lived(limits=NEVER)
    for world, states in zip(worlds, (8, 0), strict=True):
        found = replayed(world, range(8))
        assert (found.difference, found.states) == (None, states)
    learn = Summing.on_event

    def learn_otherwise(agent: Summing, event: Put, ctx: Context) -> None:
        learn(agent, event, ctx)
        agent.last = event.n  # type: ignore[attr-defined] - what it didn't keep before

    monkeypatch.setattr(Summing, "on_event", learn_otherwise)
    found = replayed(worlds[0], range(3, 8))
    assert found.start is not None
    assert found.difference is not None
    assert (found.start.seq, found.difference.seq) == (2, 3)
    assert replayed(worlds[1], range(8)).difference is None
    worlds[0].blobs.kept = {n: c for n, c in worlds[0].blobs.kept.items() if "/000000000003-" in n}
    found = replayed(worlds[0], [3])
    assert found.difference is not None
    assert (found.folded, found.difference.seq) == (4, 3)


def test_a_difference_on_the_way_is_found_too() -> None:
    """Nobody asked for commit 3, but the state that commit 6 began with is another one."""
    difference = replayed(lived(limits=NEVER), [6], Failing).difference
    assert difference is not None
    assert difference.seq == 3


def test_what_retention_removed_is_counted_and_the_digest_still_speaks() -> None:
    """Outputs that are gone aren't a difference; changed code is, which its digest tells."""
    world = lived()
    world.broker.trim(("plant-out", 0), 8)
    found = replayed(world, range(8))
    assert (found.difference, found.outputs, found.gone) == (None, 4, 4)
    difference = replayed(world, range(8), Doubling).difference
    assert difference is not None
    assert "no longer on their topics" in difference.what


def aged(hours: int) -> World:
    """An event an hour, and a day of retention on what was published of it."""
    world = World()
    for n in range(1, hours + 1):
        world.put(n)
        run(world.transactor(limits=NEVER))
        world.now += HOUR
    world.broker.trim(("plant-out", 0), 2 * (hours - 24))
    return world


def lose(world: World, seq: int) -> None:
    """The one output of a commit is on its topic no more."""
    slot = world.broker._partitions["plant-out", 0].slots[2 * seq]
    assert slot.record is not None
    slot.record = None


@pytest.mark.parametrize("make", [lambda: lived(8), lambda: aged(30)], ids=["nothing was ever removed", "retention"])
def test_an_output_that_retention_cannot_have_removed_is_missed(make: Callable[[], World]) -> None:
    """What was written before and after it is still there."""
    world = make()
    newest = world.journal()[-1].seq
    gone = replayed(world, range(newest + 1)).gone
    lose(world, newest - 1)
    found = replayed(world, range(newest + 1))
    assert found.difference is not None
    assert found.difference.what == "output 0 was written then and isn't on its topic"
    assert (found.difference.seq, found.difference.topic, found.gone) == (newest - 1, "plant-out", gone)


def test_a_topic_that_begins_after_a_commit_is_not_read_for_it() -> None:
    """A day is left of five: looking for what is gone reads it once, not once a commit."""
    world = aged(5 * 24)
    archive = world.broker.reader()
    scans: list[int] = []
    scan = archive.scan

    def counted(topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        scans.append(start)
        return scan(topic, partition, start)

    archive.scan = counted  # type: ignore[method-assign]
    found = replay_commits(past(world), Written(world.spec(), archive), range(5 * 24))
    assert (found.difference, found.gone) == (None, 4 * 24)
    assert len(scans) < 40


def test_a_topic_that_was_tampered_with_differs_though_the_digest_holds() -> None:
    """The journal's digest covers what was written; the record that stands there now is another one."""
    world = lived()
    slot = world.broker._partitions["plant-out", 0].slots[4]
    assert slot.record is not None
    slot.record = slot.record._replace(value=b'{"n":3,"sum":99,"text":""}')
    difference = replayed(world, range(8)).difference
    assert difference is not None
    assert [(f.field, f.recorded, f.again) for f in difference.fields] == [("value.sum", 99, 6)]


def test_a_snapshot_that_does_not_hold_is_passed_over_and_said() -> None:
    """A flipped byte costs time, not the answer."""
    world = lived()
    name = next(n for n in world.blobs.kept if "/000000000004-" in n)
    content = bytearray(world.blobs.kept[name])
    content[50] ^= 1
    world.blobs.kept[name] = bytes(content)
    found = replayed(world, [5])
    assert found.start is not None
    assert (found.difference, found.start.seq, found.folded) == (None, 3, 2)
    assert "commit 4 was passed over" in found.notes[0]


def test_a_snapshot_of_another_log_is_passed_over() -> None:
    """Its place in the chain is compared with this journal's before its state is believed."""
    world, other = lived(limits=NEVER), World()
    for n in range(11, 19):
        other.put(n)
    run(other.transactor(limits=OFTEN))
    world.blobs.kept |= other.blobs.kept
    found = replayed(world, [5])
    assert (found.difference, found.start) == (None, None)
    assert all("of another log" in note for note in found.notes)
    assert found.notes


class OneStream(MemoryReader):
    """Reads on where it was, as Kafka's reader does that has one stream a partition: who begins anew moves all others."""

    def __init__(self, world: World) -> None:
        super().__init__(world.broker)
        self._at: dict[TopicPartition, int] = {}

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """See `ports.LogReader.read`."""
        tp = (topic, partition)
        self._at[tp] = start
        while found := self._broker.read(tp, self._at[tp], end, 1):
            self._at[tp] = found[0].offset + 1
            yield found[0]


@pytest.mark.parametrize("first", [2, 0])
def test_looking_at_a_snapshot_that_is_refused_loses_no_commit(first: int) -> None:
    """The journal is read on from where the replay stands, not from behind the snapshot."""
    world, other = lived(9), World()
    for n in range(11, 20):
        other.put(n)
    run(other.transactor(limits=OFTEN))
    mine = {n: c for n, c in world.blobs.kept.items() if first and "/000000000001-" in n}
    world.blobs.kept = mine | {n: c for n, c in other.blobs.kept.items() if not mine or "/000000000001-" not in n}
    spec = world.spec()
    then = Past(spec, OneStream(world), lambda: AgentFold(world.app, Summing), world.store(spec))
    found = replay_commits(then, Written(spec, world.broker.reader()), [first, 8])
    assert (found.difference, found.commits, found.folded) == (None, 2, 9 - first)


def test_a_snapshot_that_was_just_begun_from_is_gone_on_from() -> None:
    """A drain's stands behind the commit record that names it, whose place in the journal it can't know."""
    world = lived(3, NEVER)
    run(world.transactor(limits=NEVER)).drain()
    world.put(4)
    run(world.transactor(limits=OFTEN))
    spec = world.spec()
    then = Past(spec, OneStream(world), lambda: AgentFold(world.app, Summing), world.store(spec))
    then.go_before(4)
    assert then.start is not None
    then.go_before(5, but_not_from=lambda standing: standing.seq == 5)
    assert (then.start.seq, then.step().recorded.seq) == (3, 4)


def accepted(*, killed: bool) -> World:
    """Three events under the old code; then the new one was accepted, and `killed` before its first commit, or not."""
    world = lived(3, NEVER)
    accept = {"who": "kim", "why": "test"}
    new = run(world.transactor(Doubling, code=NEW_CODE, accept=accept, limits=NEVER))
    assert [ref.seq for ref in world.store(world.spec()).stored()] == [2]
    world.put(4)
    run(world.transactor(limits=NEVER) if killed else new)
    return world


def test_a_snapshot_of_code_that_never_committed_is_passed_over() -> None:
    """It is what that code made of old commits: the old code, come back, went on from a state of its own."""
    world = accepted(killed=True)
    found = replayed(world, [3])
    assert (found.difference, found.start, found.folded) == (None, None, 4)
    assert found.notes == ["the snapshot after commit 2 is of code that the shard didn't go on with: passed over"]
    assert found.states == 0
    then = past(world)
    then.go_to(4)
    assert isinstance(then.fold, AgentFold)
    assert vars(then.fold.state.agent)["sum"] == 10
    world.broker.trim(("plant-in", 0), 3)
    spec = world.spec()
    assert reach(spec, world.broker.reader(), world.store(spec)).first is None


def test_a_snapshot_of_accepted_code_is_the_state_that_it_went_on_with() -> None:
    """Its first commit names it, though all commits before it are of other code."""
    world = accepted(killed=False)
    found = replayed(world, [3], Doubling)
    assert found.start is not None
    assert (found.difference, found.start.seq, found.folded) == (None, 2, 1)
    world.broker.trim(("plant-in", 0), 3)
    spec = world.spec()
    assert reach(spec, world.broker.reader(), world.store(spec)).first == 3


def test_a_trimmed_journal_without_a_snapshot_is_refused_with_the_remedy() -> None:
    """What isn't there can't be decided again; with a snapshot it can."""
    world = lived(limits=NEVER)
    world.broker.trim(world.spec().journal, 5)
    with pytest.raises(NothingToReplay, match="its journal begins at 3") as refused:
        replayed(world, [5])
    assert "doctor" in refused.value.remedy
    world = lived()
    world.broker.trim(world.spec().journal, 8)
    assert replayed(world, [5]).difference is None


def test_a_commit_that_is_not_there_yet_is_refused() -> None:
    """The newest is named."""
    with pytest.raises(NothingToReplay, match="newest commit of agent-summing/0 is 7"):
        replayed(lived(), [8])


def test_the_state_before_any_commit_is_the_one_of_then() -> None:
    """After n events the sum is that of the first n."""
    world = lived()
    seen = []
    for seq in (0, 3, 8):
        then = past(world)
        then.go_to(seq)
        assert isinstance(then.fold, AgentFold)
        seen.append(vars(then.fold.state.agent)["sum"])
    assert seen == [0, 6, 36]


def test_other_code_has_no_state_of_then() -> None:
    """It would be another state than it was, so it is refused."""
    then = past(lived(limits=NEVER), Doubling)
    with pytest.raises(ReplayMismatch, match="commit 0"):
        then.go_to(3)


def test_the_state_inside_a_commit_is_that_before_the_record() -> None:
    """A batch holds many records; what came before one of them is folded, it and what follows isn't."""
    world = lived(limits=Limits(batch=100, wait_s=0.0))
    then = past(world)
    then.go_to(0)
    recorded = then.fold_up_to(Position("plant-in", 0, 3))
    assert isinstance(then.fold, AgentFold)
    assert (recorded.seq, vars(then.fold.state.agent)["sum"]) == (0, 1 + 2 + 3)
    with pytest.raises(NothingToReplay, match="didn't read plant-in/0/99"):
        past_at_the_start(world).fold_up_to(Position("plant-in", 0, 99))


def past_at_the_start(world: World) -> Past:
    """Before the first commit."""
    then = past(world)
    then.go_to(0)
    return then


def test_the_newest_entry_is_found_behind_many_markers() -> None:
    """Looking back goes on in growing steps."""
    world = lived(30)
    found = newest_entry(world.spec(), world.broker.reader())
    assert found is not None
    assert found[0].seq == 29
    assert newest_entry(World().spec(), World().broker.reader()) is None
