"""Repeats, and timers that change one another: what may happen once happens once."""

from __future__ import annotations

from datetime import timedelta

import orjson

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import SECOND
from rivergate.domain.event import Event, Proposal
from rivergate.domain.record import Record
from rivergate.ports import Batch, Outputs
from rivergate.testing import AgentTest


class Alarm(Event, topic="alarms", key="machine"):
    machine: str


class Siren(Event, topic="{app}-sirens", key="machine"):
    machine: str


class Sounded(Event, topic="{app}.sounded", key="machine"):
    machine: str


class Call(Proposal):
    machine: str
    urgent: bool = False


class Caller(Agent):
    """Reminds after ten minutes, calls urgently after fifteen unless the reminder says that it needn't."""

    consumes = (Alarm,)
    proposes = (Call,)
    publishes = (Siren, Sounded)
    answer = "cancel"

    def on_event(self, event: Alarm, ctx: Context) -> None:
        ctx.remember(event, features={"machine": event.machine}, prediction=True)
        ctx.propose(Call(machine=event.machine))
        ctx.propose(Call(machine=event.machine, urgent=True))
        ctx.publish(Sounded(machine=event.machine))
        ctx.set_timer("remind", timedelta(minutes=10))
        ctx.set_timer("urgent", timedelta(minutes=15))

    def on_timer(self, name: str, ctx: Context) -> None:
        if name == "remind" and self.answer == "cancel":
            ctx.cancel_timer("urgent")
        elif name == "remind":
            ctx.set_timer("urgent", timedelta(minutes=5))
            ctx.set_timer("at once", timedelta(0))
        else:
            ctx.propose(Call(machine=name))


class Insisting(Caller):
    """Moves the urgent call."""

    answer = "move"


def alarm(offset: int) -> Record:
    """The same event, wherever it stands."""
    headers = [("ce_source", b"/plant"), ("ce_id", b"7"), ("ce_type", b"alarm")]
    return Record("alarms", 0, offset, b"m1", b'{"machine": "m1"}', headers)


def proposals(fold: AgentFold, seq: int, minutes: int, *records: Record) -> list[str]:
    """Ids of what one commit at that time proposes."""
    out = Outputs()
    fold.fold(Batch("app", "agent-caller", 0, seq, minutes * 60 * SECOND, lambda: 0), records, out)
    return [orjson.loads(o.value or b"")["proposal_id"] for o in out.records if o.topic == "app.proposals"]


def test_a_repeat_in_the_same_commit_proposes_under_the_same_ids() -> None:
    """As it does in a commit of its own: the gate lets each pass once."""
    together = proposals(AgentFold("app", Caller), 0, 0, alarm(0), alarm(1))
    apart = AgentFold("app", Caller)
    first, second = proposals(apart, 0, 0, alarm(0)), proposals(apart, 1, 0, alarm(1))
    assert first == second
    assert len(set(first)) == 2
    assert together == first + second


def test_a_timer_that_an_earlier_one_cancels_does_not_fire() -> None:
    """Though both were due when the shard went on: it had stood still for half an hour."""
    fold = AgentFold("app", Caller)
    proposals(fold, 0, 0, alarm(0))
    assert proposals(fold, 1, 30) == []
    assert fold.next_deadline() is None


def test_a_timer_that_an_earlier_one_moves_fires_once_and_later() -> None:
    """And one that is due at once waits for the next commit: timers can't go round in one."""
    fold = AgentFold("app", Insisting)
    proposals(fold, 0, 0, alarm(0))
    assert proposals(fold, 1, 30) == []
    assert fold.next_deadline() == 30 * 60 * SECOND
    assert len(proposals(fold, 2, 30)) == 1
    assert fold.next_deadline() == 35 * 60 * SECOND
    assert len(proposals(fold, 3, 40)) == 1
    assert fold.next_deadline() is None


def test_bounds_are_those_of_the_present_class() -> None:
    """A deployment may raise or lower them: the state that it takes over keeps to them from then on."""
    fold = AgentFold("app", Caller)
    proposals(fold, 0, 0, alarm(0))

    class Roomier(Caller):
        name = "caller"
        keyed_entries = 77
        remembered_events = 88
        early_labels = 99

    after = AgentFold("app", Roomier)
    after.load(fold.dump())
    assert (after.state.keyed.limit, after.state.memory.limit, after.state.memory.early_limit) == (77, 88, 99)


def test_the_kit_shows_events_on_topics_that_begin_with_the_apps_name() -> None:
    """Users may name their topics so; only the app's own are none of theirs."""
    with AgentTest(Caller) as t:
        t.send(Alarm(machine="m1"))
        assert t.published == [Sounded(machine="m1")]
