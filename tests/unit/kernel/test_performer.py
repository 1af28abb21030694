from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import cast

import pytest
from tests.unit.kernel.performer_world import START, Crash, Scripted, World, statuses

from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.errors import Fenced, ShardParked
from rivergate.domain.wire import IntentRecord, OutcomeRecord, read
from rivergate.effects.attempts import EffectLimits
from rivergate.effects.effector import Action, Delivery, Outcome
from rivergate.kernel.performer import Performer
from rivergate.testing.memory_log import Fate

STEPS = ("begin", "outputs", "spans", "journal", "offsets", "commit", "committed")


@dataclass
class Forgetful(Scripted):
    """Acts, and gives what it is told to: nothing, at first."""

    gives: Outcome | None = None

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        super().perform(action, not_after)
        return cast("Outcome", self.gives)


class Mute:
    """What can't say what it is."""

    def __str__(self) -> str:
        raise ValueError


def step_for_ever(performer: Performer) -> None:
    """Until it raises."""
    while True:
        performer.step()


def crash_at(step: str, nth: int):  # noqa: ANN201 - a hook
    """A hook that dies when a step is reached for the nth time."""
    seen = 0

    def hook(name: str) -> None:
        nonlocal seen
        if name == step:
            seen += 1
            if seen == nth:
                raise Crash

    return hook


def test_the_intent_is_committed_before_the_deed_and_the_outcome_after_it() -> None:
    """At the time of the deed the log has its intent and no outcome; the journal says what is open."""
    world = World()
    seen: list[tuple[int, int]] = []
    world.effector.script = lambda action: seen.append((len(world.intents()), len(world.finals())))
    pid = world.act()
    world.settle(world.performer())
    assert seen == [(1, 0)]
    assert world.finals() == [(pid, "done")]
    first, last = world.journal()
    assert (first.open, [tuple(r) for r in first.ranges]) == ((("plant.actions", 0, 0),), [("plant.actions", 0, 0, 1)])
    assert (last.open, last.ranges) == ((), ())
    assert world.broker.offsets[("plant.effects", ("plant.actions", 0))][0] == 1


def test_what_is_written_keeps_to_the_wire_contract() -> None:
    """Intent and outcome are as the contract's models want them, on the action's partition, under its key and trace."""
    world = World()
    pid = world.act("press-1")
    world.settle(world.performer())
    intent, outcome = world.broker.records("plant.outcomes")
    assert isinstance(read(intent), IntentRecord)
    found = read(outcome)
    assert isinstance(found, OutcomeRecord)
    assert (found.proposal_id, found.event_id, found.event.offset, found.label) == (pid, "events/0/0", 0, True)
    assert {r.key for r in (intent, outcome)} == {b"press-1"}
    assert [r.header("rg_commit") for r in (intent, outcome)] == [b"effects/0/0/0", b"effects/0/1/0"]
    assert (outcome.header("traceparent") or b"").startswith(b"00-" + b"a" * 32)
    assert world.broker.records("plant.otlp_spans")


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_loses_and_doubles_nothing(step: str, nth: int) -> None:
    """Whatever was open is finished by the next owner: each action done once, with one final outcome."""
    world = World()
    pids = [world.act(f"k{n % 3}") for n in range(7)]
    first = world.performer(hook=crash_at(step, nth))
    with pytest.raises(Crash):
        step_for_ever(first)
    world.settle(world.performer())
    assert statuses(pids, world) == [["done"]] * 7
    assert sorted(world.effector.world) == sorted(pids)
    assert [r.seq for r in world.journal()] == list(range(len(world.journal())))


@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize("fates", [*((f,) for f in Fate), *itertools.product(Fate, Fate)])
@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_failed_commit_forgets_nothing_that_this_owner_knows(
    delivery: Delivery, fates: tuple[Fate, ...], nth: int
) -> None:
    """After an abort or a commit without an answer nobody has to ask or to guess: the same process knows what it did.

    The commit that takes stock after the first failure may fail too. There are three actions a key, so that both failures
    find a commit even where the outcomes of both keys come together.
    """
    world = World(Scripted(delivery))
    pids = [world.act(f"k{n % 2}") for n in range(6)]
    performer = world.performer()
    for _ in range(nth):
        performer.step()
    world.broker.fates += fates
    world.settle(performer)
    assert not world.broker.fates
    assert statuses(pids, world) == [["done"]] * 6
    assert sorted(world.effector.world) == sorted(pids)
    assert world.effector.asked == []


def left_open(world: World) -> str:
    """An action that is done and whose outcome never got committed."""
    pid = world.act()

    def hook(step: str) -> None:
        if step == "begin" and world.effector.world:
            raise Crash

    with pytest.raises(Crash):
        world.settle(world.performer(hook=hook))
    assert world.effector.world == [pid]
    return pid


def test_neither_after_a_crash_says_unknown_and_never_acts_again() -> None:
    """Nobody can tell whether it was done, so a person has to."""
    world = World(Scripted(Delivery.NEITHER))
    pid = left_open(world)
    world.now += 31 * SECOND
    world.settle(world.performer())
    assert (world.finals(), world.effector.world) == ([(pid, "unknown")], [pid])


def test_a_reconcilable_effector_is_asked_before_it_acts_again() -> None:
    """What it finds is the outcome; what it doesn't find is done."""
    world = World(Scripted(Delivery.RECONCILABLE))
    pid = left_open(world)
    world.now += 31 * SECOND
    world.settle(world.performer())
    assert (world.finals(), world.effector.world, world.effector.asked) == ([(pid, "done")], [pid], [pid])

    world = World(Scripted(Delivery.RECONCILABLE))
    pid = left_open(world)
    world.effector.world.clear()
    world.now += 31 * SECOND
    world.settle(world.performer())
    assert (world.finals(), world.effector.world) == ([(pid, "done")], [pid])


def test_a_successor_waits_until_its_predecessor_can_no_longer_act() -> None:
    """It asks only once `not_after` of the newest intent has passed."""
    world = World(Scripted(Delivery.RECONCILABLE))
    left_open(world)
    not_after = START + 30 * SECOND
    assert world.intents()[0]["not_after"] == rfc3339(not_after)
    world.now = not_after - 20_000
    successor = world.performer()
    successor.step()
    assert world.effector.asked == []
    world.now = not_after + 1
    world.settle(successor)
    assert len(world.effector.asked) == 1


def test_deeds_of_one_key_keep_their_order_through_retries() -> None:
    """A second attempt comes before the next action of the same key; other keys don't wait."""
    failed: list[str] = []

    def fail_once(action: Action) -> None:
        if action.arguments["n"] == 0 and not failed:
            failed.append(action.key)
            raise OSError("the disk is full")

    world = World(Scripted(script=fail_once))
    pids = [world.act("k") for _ in range(4)]
    world.settle(world.performer())
    assert world.effector.world == pids
    assert [v["attempt"] for v in world.intents() if v["proposal_id"] == pids[0]] == [1, 2]


def test_an_idempotent_effector_that_keeps_raising_fails_in_the_end() -> None:
    """Each attempt has its intent; the outcome says what it raised, and that something may have happened."""

    def fail(action: Action) -> None:
        raise OSError("the disk is full")

    world = World(Scripted(script=fail))
    pid = world.act()
    world.settle(world.performer(limits=EffectLimits(attempts=3, retry_s=0.0)))
    assert [v["attempt"] for v in world.intents()] == [1, 2, 3]
    (outcome,) = world.written("rivergate.outcome.v1")
    assert (outcome["proposal_id"], outcome["status"], outcome["effect"]) == (pid, "failed", "maybe")
    assert "the disk is full" in outcome["detail"]


def test_an_effector_that_wants_to_end_the_process_fails_its_action() -> None:
    """`sys.exit()` in a client library is its outcome, like whatever else it raises."""

    def leave(action: Action) -> None:
        raise SystemExit(3)

    world = World(Scripted(script=leave))
    world.act()
    world.settle(world.performer(limits=EffectLimits(attempts=1)))
    (outcome,) = world.written("rivergate.outcome.v1")
    assert (outcome["status"], outcome["detail"]) == ("failed", "SystemExit: 3")


def test_an_effector_that_is_not_idempotent_is_never_tried_again_after_it_raised() -> None:
    """It may have acted."""

    def fail(action: Action) -> None:
        raise OSError("connection reset")

    world = World(Scripted(Delivery.NEITHER, script=fail))
    pid = world.act()
    world.settle(world.performer())
    assert (world.finals(), len(world.effector.calls)) == ([(pid, "failed")], 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arguments": {"n": 99}}, "digest"),
        ({"kind": "launch"}, "digest"),
        ({"expires_at": rfc3339(START - SECOND)}, "expired at"),
        ({"expires_at": "soon"}, "well-formed"),
    ],
)
def test_what_should_not_be_done_is_refused_without_an_intent(changes: dict[str, object], says: str) -> None:
    """Effects check again: digest, kind, expiry."""
    world = World()
    pid = world.act(**changes)
    world.settle(world.performer())
    (outcome,) = world.written("rivergate.outcome.v1")
    assert (outcome["proposal_id"], outcome["status"]) == (pid, "refused")
    assert says in outcome["detail"]
    assert (world.intents(), world.effector.calls) == ([], [])


def test_an_action_of_an_unknown_kind_is_refused() -> None:
    """The detail names the kinds that there are."""
    from rivergate.domain.ids import arguments_digest

    world = World()
    world.act(kind="launch", arguments={}, arguments_digest=arguments_digest("launch", {}))
    world.settle(world.performer())
    (outcome,) = world.written("rivergate.outcome.v1")
    assert outcome["detail"] == "no effector for kind 'launch'; there are note"


NO_EVENT_ID = b'{"proposal_id": "p", "event_id": 7, "event": {"topic": "t", "partition": 0, "offset": 0}}'


@pytest.mark.parametrize("raw", [b"not json", NO_EVENT_ID])
def test_a_record_that_is_no_action_goes_to_the_dead_letters(raw: bytes) -> None:
    """With its raw bytes, where it stood and why, in the commit that skipped it."""
    world = World()
    world.broker.append("plant.actions", 0, raw)
    world.count += 1
    pid = world.act()
    performer = world.performer()
    world.settle(performer)
    (letter,) = world.broker.records("plant.dead_letters")
    assert (letter.value, letter.header("rg_origin")) == (raw, b"plant.actions/0/0")
    assert world.journal()[0].skipped == (("plant.actions", 0, 0),)
    assert world.finals() == [(pid, "done")]


def test_a_slow_effector_slows_intake() -> None:
    """No more is read than may be open; what waits on the log is read once there is room."""
    go = threading.Event()
    world = World(Scripted(script=lambda action: go.wait(10) and None))
    pids = [world.act(f"k{n}") for n in range(10)]
    performer = world.performer(at_once=4)
    for _ in range(5):
        performer.step()
    assert max(len(r.open) for r in world.journal()) == 4
    assert world.broker.offsets["plant.effects", ("plant.actions", 0)][0] == 4, "the rest waits on the log"
    go.set()
    world.settle(performer)
    assert statuses(pids, world) == [["done"]] * 10
    assert max(len(r.open) for r in world.journal()) == 4


def test_a_fenced_owner_commits_nothing_more() -> None:
    """Its successor finishes what it left."""
    go = threading.Event()
    world = World(Scripted(script=lambda action: go.wait(10) and None))
    pid = world.act()
    old = world.performer()
    old.step()
    new = world.performer()
    go.set()
    with pytest.raises(Fenced):
        step_for_ever(old)
    old.close()
    world.settle(new)
    assert (world.finals(), world.effector.world) == ([(pid, "done")], [pid])
    assert [r.epoch for r in world.journal()] == sorted(r.epoch for r in world.journal())
    assert world.journal()[-1].epoch == 1


def test_draining_commits_the_outcomes_of_what_is_in_flight() -> None:
    """After a drain nothing is open."""
    world = World()
    pids = [world.act("k") for _ in range(5)]
    performer = world.performer()
    performer.step()
    performer.drain()
    performer.close()
    assert statuses(pids, world) == [["done"]] * 5
    assert world.journal()[-1].open == ()


def test_a_clock_ahead_of_the_broker_parks_the_shard() -> None:
    """Deadlines would pass too early."""
    world = World()
    world.act()
    performer = world.performer()
    behind = START // 1000 - 120_000
    world.broker._clock_ms = lambda: behind
    with pytest.raises(ShardParked, match="120 s ahead"):
        performer.step()


def test_a_successor_reads_again_only_what_may_be_of_what_is_open() -> None:
    """The journal bounds the search: what was written before the oldest open record was read isn't scanned."""
    world = World()
    for _ in range(5):
        world.act()
        world.settle(world.performer())
    before = world.broker.watermarks(("plant.outcomes", 0))[1]
    left_open_again = world.act()
    with pytest.raises(Crash):
        world.settle(world.performer(hook=crash_at("begin", 2)))
    assert world.journal()[-1].since == (("plant.outcomes", 0, before),)
    world.settle(world.performer())
    assert [v["attempt"] for v in world.intents() if v["proposal_id"] == left_open_again] == [1, 2]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_an_effector_that_gives_no_outcome_is_not_asked_for_ever(delivery: Delivery) -> None:
    """Forgetting the `return` doesn't say that nothing was done: only we say so."""
    world = World(Forgetful(delivery))
    pid = world.act()
    world.settle(world.performer())
    assert world.finals() == [(pid, "failed")]
    (outcome,) = world.written("rivergate.outcome.v1")
    assert (outcome["effect"], outcome["detail"]) == (
        "maybe",
        "TypeError: Forgetful gave a NoneType instead of an Outcome",
    )
    assert len(world.effector.calls) == (3 if delivery is Delivery.IDEMPOTENT else 1)


@pytest.mark.parametrize(
    ("gave", "says"),
    [
        (Outcome("done", label=object()), "label was dropped: Type is not JSON serializable"),
        (Outcome("done", "d" * 2_000_000), "d" * 10_000),
        (Outcome("done", cast("str", Mute())), "(Mute without a text: ValueError)"),
        (Outcome("done", "no \ud800", label={"big": "x" * 900_000}), "no ? (its label was dropped"),
    ],
)
def test_what_came_of_a_deed_is_written_whatever_its_effector_says_of_it(gave: Outcome, says: str) -> None:
    """A label without JSON form, a text without end: else the shard would stop with the deed done and no outcome."""
    world = World(Forgetful(gives=gave))
    pid = world.act()
    world.settle(world.performer())
    assert world.finals() == [(pid, "done")]
    (outcome,) = world.written("rivergate.outcome.v1")
    assert says in outcome["detail"]
    assert "label" not in outcome
