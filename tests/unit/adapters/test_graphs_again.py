"""Events that a graph has seen before, and answers that never come."""

from __future__ import annotations

from dataclasses import replace

import orjson
from tests.unit.adapters.graph_world import GraphWorld, owner, run_until

from rivergate.domain.clock import SECOND
from rivergate.domain.event import Event
from rivergate.kernel.performer import Performer


class AlarmOnFloor(Event, topic="alarms", key="machine"):
    """What `Alarm` is in the next version of the code."""

    machine: str
    floor: int


class Notice(Event, topic="notices", key="machine"):
    """Something else to consume."""

    machine: str


def proposed(world: GraphWorld, times: int) -> bool:
    """So many proposals have been written, and the newest waits."""
    return len(world.values("proposals")) == times and bool(world.journal()[-1].open)


def settle(performer: Performer) -> None:
    """Step until every run in flight has come back."""
    performer.step()
    run_until(performer, lambda: performer._deeds.in_flight == 0)


def handled_and_come_again(world: GraphWorld, performer: Performer) -> str:
    """An event has been handled and comes again: the same proposal is written twice. Returns its id."""
    world.alarm("press-1", ce_id="7")
    run_until(performer, lambda: proposed(world, 1))
    pid = str(world.values("proposals")[0]["proposal_id"])
    world.answer(pid)
    run_until(performer, lambda: len(world.results()) == 1)
    world.alarm("press-1", ce_id="7")
    run_until(performer, lambda: proposed(world, 2))
    settle(performer)
    assert [v["proposal_id"] for v in world.values("proposals")] == [pid, pid]
    return pid


def test_an_event_that_comes_again_after_its_end_is_given_up_when_its_proposal_has_expired() -> None:
    """The gate judges a proposal once and is silent about its repetition, so no answer ever comes."""
    world = GraphWorld()
    performer = world.performer()
    pid = handled_and_come_again(world, performer)
    world.passed_s = 3600.0
    settle(performer)
    world.passed_s += 59.0
    settle(performer)
    assert world.letters() == []
    world.passed_s += 1.0
    run_until(performer, lambda: bool(world.letters()))
    reason = f"no answer to proposal {pid}, which expired at 2030-03-17T18:46:40.000000Z"
    assert world.letters() == [(b"alarms/0/1", reason.encode())]
    assert world.journal()[-1].open == ()


def test_an_answer_within_the_grace_is_heard() -> None:
    """An action that was begun in time may end late."""
    world = GraphWorld()
    performer = world.performer()
    world.alarm("press-1")
    run_until(performer, lambda: proposed(world, 1))
    settle(performer)
    world.passed_s = 3600.0
    settle(performer)
    world.passed_s += 30.0
    world.answer(world.values("proposals")[0]["proposal_id"])
    run_until(performer, lambda: bool(world.results()))
    world.passed_s += 3600.0
    settle(performer)
    assert world.letters() == []


def test_a_successor_gives_up_what_its_predecessor_waited_for() -> None:
    """The time of the proposal is on the log; an answer that came meanwhile would have been found."""
    world = GraphWorld()
    world.alarm("press-1")
    with owner(world) as first:
        run_until(first, lambda: proposed(world, 1))
    world.passed_s = 7200.0
    second = world.performer()
    settle(second)
    assert world.letters() == [], "replies on the log have a minute to be read"
    world.passed_s += 60.0
    run_until(second, lambda: bool(world.letters()))
    assert b"which expired at 2030-03-17T18:46:40.000000Z" in world.letters()[0][1]


def test_what_an_older_version_recorded_without_its_time_lives_for_as_long_again() -> None:
    """From the takeover on, since nobody knows better."""
    world = GraphWorld()
    performer = world.performer()
    world.alarm("press-1")
    run_until(performer, lambda: proposed(world, 1))
    (case,) = performer._work._cases.values()  # type: ignore[attr-defined]
    (step,) = [s for s in case.given.values() if s["what"] == "proposal"]
    del step["expires_at"]
    case.opened_at += 5 * SECOND
    case.remember(step)
    assert case.wait_s(case.opened_at) == 3600.0


def test_what_a_person_has_to_settle_is_waited_for_however_long_it_takes() -> None:
    """It may have been done: a new run would propose it again."""
    world = GraphWorld()
    performer = world.performer()
    world.alarm("press-1")
    run_until(performer, lambda: proposed(world, 1))
    pid = world.values("proposals")[0]["proposal_id"]
    world.answer(pid, "unknown")
    settle(performer)
    world.passed_s = 3600.0
    settle(performer)
    world.passed_s += 3600.0
    settle(performer)
    assert world.letters() == []
    world.answer(pid, "done")
    run_until(performer, lambda: bool(world.results()))


def test_an_event_whose_id_is_open_is_set_aside_at_once() -> None:
    """The run that is open answers for it, and what came stays to be seen."""
    world = GraphWorld()
    performer = world.performer()
    world.alarm("press-1", ce_id="7")
    world.alarm("press-1", ce_id="7")
    run_until(performer, lambda: proposed(world, 1))
    settle(performer)
    assert world.letters() == [(b"alarms/0/1", b"its id is open already, since alarms/0/0: that run answers for it")]
    assert world.journal()[-1].open == (("alarms", 0, 0),)
    world.answer(world.values("proposals")[0]["proposal_id"])
    run_until(performer, lambda: bool(world.results()))
    assert world.journal()[-1].open == ()
    assert len(world.asked) == 2


def test_a_successor_hands_a_run_what_this_run_recorded() -> None:
    """Not what an earlier run over the same event got to: its numbers would be those of other proposals."""
    world = GraphWorld()
    with owner(world) as first:
        pid = handled_and_come_again(world, first)
    second = world.performer()
    (case,) = second._work._cases.values()  # type: ignore[attr-defined]
    assert case.proposals == [pid]
    assert [s["what"] for s in case.given.values()] == ["model", "proposal"]
    ids = [orjson.loads(r.value or b"")["event"]["offset"] for r in world.broker.records("plant.responses")]
    assert ids == [0, 0, 0, 0, 1, 1]


def test_a_successor_gives_up_what_its_class_refuses_and_goes_on_with_the_rest() -> None:
    """A required field is new; without this the shard would park at every start, with all that is open."""
    world = GraphWorld()
    world.alarm("press-1")
    world.broker.append("alarms", 0, b'{"machine": "press-2", "code": 1, "floor": 2}')
    with owner(world) as first:
        run_until(first, lambda: len(world.values("proposals")) == 2)
    world.agent = replace(world.agent, consumes=[AlarmOnFloor])
    second = world.performer()
    run_until(second, lambda: bool(world.letters()))
    assert world.letters() == [(b"alarms/0/0", b"field floor: Field required")]
    for proposal in world.values("proposals"):
        world.answer(proposal["proposal_id"])
    run_until(second, lambda: bool(world.results()))
    assert world.journal()[-1].open == ()


def test_a_successor_gives_up_what_is_on_a_topic_that_it_consumes_no_more() -> None:
    """The rest goes on; the reason says that no class is there for it."""
    world = GraphWorld()
    world.alarm("press-1")
    with owner(world) as first:
        run_until(first, lambda: proposed(world, 1))
    world.agent = replace(world.agent, consumes=[Notice])
    second = world.performer()
    run_until(second, lambda: bool(world.letters()))
    assert world.letters() == [(b"alarms/0/0", b"ce_type '' is none that graph triage consumes")]
    assert world.journal()[-1].open == ()
