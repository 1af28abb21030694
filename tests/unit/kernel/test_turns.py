"""Actions whose effectors aren't idempotent: from an intent on nobody can be certain that nothing was done."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from tests.unit.kernel.performer_world import START, Scripted, World, await_deeds, statuses

from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.errors import BadInput
from rivergate.effects.attempts import Attempt, EffectLimits, Effects
from rivergate.effects.checking import received
from rivergate.effects.effector import Action, Delivery, Outcome
from rivergate.kernel.performer import THREADS, Performer

NOT_IDEMPOTENT = [Delivery.RECONCILABLE, Delivery.NEITHER]
SOON = rfc3339(START + 60 * SECOND)


@dataclass
class Asked(Scripted):
    """Can be asked, and may have no answer the first times."""

    delivery: Delivery = Delivery.RECONCILABLE
    answers: list[Any] = field(default_factory=list)

    def reconcile(self, action: Action) -> Outcome | None:
        found = super().reconcile(action)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return cast("Outcome", answer)
        return found


def hold(world: World) -> threading.Event:
    """Every deed waits until this is set."""
    go = threading.Event()
    world.effector.script = lambda action: go.wait(10) and None
    return go


def done_and_lost(world: World, **changes: Any) -> str:
    """An action that is done, by an owner of which nothing is heard any more."""
    pid = world.act(**changes)
    performer = world.performer()
    world.intend(performer)
    await_deeds(performer)
    assert world.effector.calls == [pid]
    return pid


def await_done(world: World, n: int) -> None:
    """Until so many deeds are done; their results are there a moment later."""
    deadline = time.monotonic() + 10
    while len(world.effector.world) < n and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    threading.Event().wait(0.02)


def step(performer: Performer, times: int) -> None:
    """So often."""
    for _ in range(times):
        performer.step()


@pytest.mark.parametrize("delivery", NOT_IDEMPOTENT)
def test_intents_stand_for_what_acts_alone(delivery: Delivery) -> None:
    """What only waits has none, so that its next owner begins it like any other, and asks nobody."""
    world = World(Scripted(delivery))
    go = hold(world)
    pids = [world.act(f"k{n}") for n in range(3 * THREADS)]
    step(world.performer(), 5)
    assert [v["proposal_id"] for v in world.intents()] == pids[:THREADS]
    assert world.journal()[-1].open == tuple(("plant.actions", 0, n) for n in range(3 * THREADS))
    successor = world.performer()
    go.set()
    world.now += 31 * SECOND
    world.settle(successor)
    unknown = "unknown" if delivery is Delivery.NEITHER else "done"
    assert statuses(pids, world) == [[unknown]] * THREADS + [["done"]] * 2 * THREADS
    assert len(world.effector.calls) == len(set(world.effector.calls)) == 3 * THREADS


@pytest.mark.parametrize(
    ("slow", "quick"), [(Delivery.NEITHER, Delivery.IDEMPOTENT), (Delivery.IDEMPOTENT, Delivery.NEITHER)]
)
def test_slow_deeds_hold_up_no_other_effectors(slow: Delivery, quick: Delivery) -> None:
    """Those whose intents come in turn have threads of their own, and so have the others."""
    world = World(Scripted(slow), page=Scripted(quick))
    go = hold(world)
    held = [world.act(f"k{n}") for n in range(2 * THREADS)]
    pid = world.act("another", of="page")
    performer = world.performer()
    for _ in range(2000):
        performer.step()
        if world.finals():
            break
    assert world.finals() == [(pid, "done")]
    intended = [v["proposal_id"] for v in world.intents()]
    assert len([p for p in held if p in intended]) == (THREADS if slow is Delivery.NEITHER else 2 * THREADS)
    go.set()
    world.settle(performer)
    assert statuses(held, world) == [["done"]] * 2 * THREADS


def test_outcomes_and_the_next_intents_share_a_commit() -> None:
    """A thread that comes free is given the next action in the commit that tells what it has done."""
    world = World(Scripted(Delivery.NEITHER))
    for n in range(2 * THREADS):
        world.act(f"k{n}")
    performer = world.performer()
    world.intend(performer)
    await_done(world, THREADS)
    performer.step()
    assert (len(world.finals()), len(world.intents())) == (THREADS, 2 * THREADS)
    world.settle(performer)


def test_a_drain_leaves_what_waits_for_its_turn() -> None:
    """What acts comes to its end; the rest is the next owner's, who is certain that nothing was done."""
    world = World(Scripted(Delivery.NEITHER))
    pids = [world.act("k") for _ in range(4)]
    performer = world.performer()
    world.intend(performer)
    performer.drain()
    performer.close()
    assert world.finals() == [(pids[0], "done")]
    world.settle(world.performer())
    assert statuses(pids, world) == [["done"]] * 4
    assert world.effector.world == pids


@pytest.mark.parametrize("delivery", list(Delivery))
def test_what_has_expired_when_its_turn_comes_is_not_begun(delivery: Delivery) -> None:
    """Its approval was for another time. An idempotent one's intent stands by then; others have none, and are refused."""
    world = World(Scripted(delivery))
    go = hold(world)
    first, second = world.act("k", expires_at=SOON), world.act("k", expires_at=SOON)
    performer = world.performer()
    world.intend(performer)
    world.now += 61 * SECOND
    go.set()
    world.settle(performer)
    idempotent = delivery is Delivery.IDEMPOTENT
    assert world.finals() == [(first, "done"), (second, "failed" if idempotent else "refused")]
    assert [v["proposal_id"] for v in world.intents()] == ([first, second] if idempotent else [first])
    assert world.effector.world == [first]
    assert world.written("rivergate.outcome.v1")[1].get("effect") == ("none" if idempotent else None)


def test_an_idempotent_deed_of_a_predecessor_is_not_done_again_once_it_has_expired() -> None:
    """It may have been done in time or never been begun: nobody knows, and to do it now would be too late."""
    world = World()
    pid = done_and_lost(world, expires_at=SOON)
    world.now += 61 * SECOND
    world.settle(world.performer())
    assert world.finals() == [(pid, "unknown")]
    assert len(world.effector.calls) == 1


def test_an_effector_that_cannot_be_asked_just_now_is_asked_again() -> None:
    """That it didn't answer says nothing of the deed."""
    world = World(Asked(answers=[OSError("503"), SystemExit(1), "yes", Outcome(cast("Any", "success"))]))
    pid = done_and_lost(world)
    world.now += 31 * SECOND
    world.settle(world.performer())
    assert (world.finals(), world.effector.asked) == ([(pid, "done")], [pid] * 5)
    assert len(world.effector.calls) == 1


def test_what_nobody_answers_is_unknown() -> None:
    """A person has to look; nothing is done again."""
    world = World(Asked(answers=[OSError("503")] * 3))
    pid = done_and_lost(world)
    world.now += 31 * SECOND
    world.settle(world.performer(limits=EffectLimits(asks=3, retry_s=0.0)))
    assert (world.finals(), world.effector.calls) == ([(pid, "unknown")], [pid])
    assert "asked 3 times whether it did: OSError: 503" in world.written("rivergate.outcome.v1")[0]["detail"]


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        (Delivery.NEITHER, Delivery.IDEMPOTENT, "unknown"),
        (Delivery.NEITHER, Delivery.RECONCILABLE, "unknown"),
        (Delivery.RECONCILABLE, Delivery.IDEMPOTENT, "unknown"),
        (Delivery.RECONCILABLE, Delivery.NEITHER, "unknown"),
        (Delivery.IDEMPOTENT, Delivery.NEITHER, "unknown"),
        (Delivery.IDEMPOTENT, Delivery.RECONCILABLE, "unknown"),
    ],
)
def test_what_was_promised_when_it_was_begun_counts(before: Delivery, now: Delivery, status: str) -> None:
    """A key or a reference that wasn't sent then doesn't help the code of now, and who was idempotent needn't have kept to
    `not_after`. A second owner in between changes nothing.
    """
    world = World(Scripted(before))
    pid = done_and_lost(world)
    assert world.intents()[0]["delivery"] == before.value
    world.effector.delivery = now
    between = world.performer()
    between.close()
    world.now += 62 * SECOND
    world.settle(world.performer())
    assert (world.finals(), world.effector.calls) == ([(pid, status)], [pid])


@pytest.mark.parametrize("gave", [Outcome(cast("Any", "success")), Outcome("failed", effect=cast("Any", "some"))])
def test_an_outcome_of_its_own_invention_is_none(gave: Outcome) -> None:
    """Else the action would never come to an end: nobody downstream knows the word."""

    @dataclass
    class Inventive(Scripted):
        def perform(self, action: Action, not_after: Micros) -> Outcome:
            super().perform(action, not_after)
            return gave

    world = World(Inventive(Delivery.NEITHER))
    pid = world.act()
    world.settle(world.performer())
    assert world.finals() == [(pid, "failed")]
    (outcome,) = world.written("rivergate.outcome.v1")
    assert outcome["effect"] == "maybe"
    assert "the status is one of done, failed, unknown" in outcome["detail"]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_what_came_of_deeds_is_committed_where_nothing_can_be_read(delivery: Delivery) -> None:
    """Else the next owner would have to ask, or to say that nobody knows. Then it is raised, though reading would go on by
    now: what came with the error is lost to this owner, who must not read on behind it.
    """
    world = World(Scripted(delivery))
    go = hold(world)
    pids = [world.act(f"k{n}") for n in range(3)]
    performer = world.performer()
    world.intend(performer)
    lost = world.act("lost")
    poll = performer._log.poll

    def fail_once(*asked: Any) -> Any:
        performer._log.poll = poll  # type: ignore[method-assign]
        assert len(poll(*asked)) == 1
        raise BadInput("the topic was away")

    performer._log.poll = fail_once  # type: ignore[method-assign]
    step(performer, 2)
    go.set()
    with pytest.raises(BadInput, match="the topic was away"):
        step(performer, 1000)
    performer.close()
    assert statuses(pids, world) == [["done"]] * 3
    world.settle(world.performer())
    assert statuses([lost], world) == [["done"]]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_what_retention_has_removed_may_have_been_an_intent(delivery: Delivery) -> None:
    """A shard that stood for longer than its outcomes are kept doesn't take what it finds no intent of for never begun."""
    world = World(Scripted(delivery))
    pid = done_and_lost(world)
    world.act("k")
    outcomes = ("plant.outcomes", 0)
    world.broker.trim(outcomes, world.broker.watermarks(outcomes)[1])
    world.now += 31 * SECOND
    successor = world.performer()
    world.settle(successor)
    assert world.finals()[0] == (pid, "unknown")
    assert "retention has removed" in world.written("rivergate.outcome.v1")[-2]["detail"]
    assert world.effector.calls.count(pid) == 1


def test_what_was_certainly_not_done_before_a_crash_is_not_done_once_it_has_expired() -> None:
    """The check before the intent is of another day."""
    world = World(Scripted(Delivery.RECONCILABLE))
    pid = done_and_lost(world)
    world.effector.world.clear()
    world.now += 7200 * SECOND
    world.settle(world.performer())
    assert (world.effector.world, world.effector.asked) == ([], [pid])
    (outcome,) = world.written("rivergate.outcome.v1")
    assert (outcome["proposal_id"], outcome["status"], outcome["effect"]) == (pid, "failed", "none")
    assert "expired" in outcome["detail"]


def test_what_expires_while_a_successor_finds_out_is_not_done() -> None:
    """It waits for its predecessor's window, asks, hears that nothing was done, and is too late by then."""
    world = World(Scripted(Delivery.RECONCILABLE))
    pid = done_and_lost(world, expires_at=rfc3339(START + 20 * SECOND))
    world.effector.world.clear()
    successor = world.performer()
    successor.step()
    world.now += 31 * SECOND
    world.settle(successor)
    assert (world.finals(), world.effector.asked, world.effector.calls) == ([(pid, "failed")], [pid], [pid])
    assert world.written("rivergate.outcome.v1")[0]["effect"] == "none"


@pytest.mark.parametrize("told", [None, "exactly-once"])
def test_an_intent_that_tells_nothing_or_another_versions_word_parks_nobody(told: str | None) -> None:
    """Nothing told: what the effector of now promises. A word that isn't known: nobody can tell."""
    world = World(Scripted(Delivery.RECONCILABLE))
    pid = world.act()
    performer = world.performer()
    promise = Effects._delivery
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Effects, "_delivery", lambda *_: type("Word", (), {"value": told})())
        patch.setattr(Effects, "in_turn", lambda self, action: promise(self, action) is not Delivery.IDEMPOTENT)
        world.intend(performer)
        await_deeds(performer)
    assert world.intents()[0]["delivery"] == told
    world.now += 31 * SECOND
    world.settle(world.performer())
    assert world.finals() == [(pid, "done" if told is None else "unknown")]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_second_attempt_after_nothing_was_done_is_no_retry(delivery: Delivery) -> None:
    """Where an effector isn't idempotent there is another attempt only if the one before did nothing, so it has to be in time
    like a first one; an idempotent one was begun in time, and goes on.
    """
    world = World(Scripted(delivery))
    world.act(expires_at=SOON)
    (record,) = world.broker.records("plant.actions")
    action = received(record, ["note"], START)
    assert action is not None
    effects = Effects("plant", world.effectors, lambda: START + 61 * SECOND)
    outcome = effects.perform(Attempt(record, action, 2, START + 90 * SECOND, 0))
    assert isinstance(outcome, Outcome)
    assert outcome.status == ("done" if delivery is Delivery.IDEMPOTENT else "failed")
    assert len(world.effector.calls) == (1 if delivery is Delivery.IDEMPOTENT else 0)
