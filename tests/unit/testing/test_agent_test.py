from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from rivergate.agents import Agent, Context
from rivergate.domain.errors import BadInput, ConfigError, ReplayMismatch
from rivergate.domain.event import Event, Label, Proposal
from rivergate.testing import AgentTest, Message


class Reading(Event, topic="telemetry", key="line"):
    line: str
    heat: float


class Unread(Event, topic="elsewhere"):
    pass


class Hot(Event, topic="{app}-hot", key="line"):
    line: str


class Inspect(Proposal):
    line: str


class Watcher(Agent):
    consumes = (Reading,)
    proposes = (Inspect,)
    publishes = (Hot,)
    mean: float = 0.0

    def on_event(self, event: Reading, ctx: Context) -> None:
        if event.heat < 0:
            self.mean = -1.0
            raise ValueError("colder than nothing")
        ctx.remember(event, features={"heat": event.heat}, prediction=event.heat > self.mean)
        if event.heat > 90:
            ctx.propose(Inspect(line=event.line), confidence=0.9, reasons=["hot"])
            ctx.publish(Hot(line=event.line))
            ctx.send("cooler", {"line": event.line}, key=event.line)
            ctx.set_timer("again", timedelta(minutes=5))

    def on_label(self, label: Label, ctx: Context) -> None:
        self.mean = (self.mean + label.features["heat"]) / 2

    def on_message(self, message: dict[str, Any], ctx: Context) -> None:
        self.mean = message["mean"]

    def on_timer(self, name: str, ctx: Context) -> None:
        ctx.propose(Inspect(line=name))


class Deaf(Agent):
    consumes = (Reading,)


class Careless(Agent):
    consumes = (Reading,)
    proposes = (Inspect,)
    calls: ClassVar[int] = 0

    def on_event(self, event: Reading, ctx: Context) -> None:
        Careless.calls += 1
        ctx.propose(Inspect(line=str(Careless.calls)))


class Undeclared(Agent):
    consumes = (Reading,)

    def on_event(self, event: Reading, ctx: Context) -> None:
        ctx.propose(Inspect(line="a"))
        ctx.publish(Hot(line="a"))


class Timed(Agent):
    consumes = (Reading,)

    def on_event(self, event: Reading, ctx: Context) -> None:
        self.at = time.perf_counter_ns()


@pytest.mark.parametrize("restore", [False, True])
def test_what_an_agent_does_can_be_looked_at(restore: bool) -> None:
    """Proposals come typed, and as the gate gets them; events and messages too, restored between records or not."""
    with AgentTest(Watcher, restore=restore) as t:
        t.send(Reading(line="a", heat=20))
        hot = t.send(Reading(line="b", heat=95))
        assert t.proposals == [Inspect(line="b")]
        record = t.proposal_records[0]
        assert (record.confidence, record.reasons, record.event_id) == (0.9, ({"text": "hot"},), hot)
        assert t.published == [Hot(line="b")]
        assert t.messages == [Message("cooler", {"line": "b"}, b"b")]
        assert [s.attributes["rivergate.proposal.id"] for s in t.spans] == [record.proposal_id]


def test_labels_come_late_and_early() -> None:
    """A label is joined to its event's features whichever of the two comes first, and only the first one counts."""
    with AgentTest(Watcher) as t:
        late = t.send(Reading(line="a", heat=20))
        t.label(late, value=True)
        assert t.agent.mean == 10
        t.label(late, value=False)
        t.label("/test#soon", value=True)
        assert t.agent.mean == 10
        t.send(Reading(line="a", heat=30), id="soon")
        assert t.agent.mean == 20


def test_timers_fire_when_their_time_has_come() -> None:
    """`advance` moves the clock and fires what is due, at the moment when it is due."""
    with AgentTest(Watcher) as t:
        t.send(Reading(line="b", heat=95))
        t.advance(timedelta(minutes=4))
        assert len(t.proposals) == 1
        t.advance(timedelta(minutes=4))
        assert t.proposals[1:] == [Inspect(line="again")]


def test_a_record_that_fails_leaves_no_trace_in_the_state() -> None:
    """A raising record and a malformed one become dead letters with the reason; the state is that of before."""
    with AgentTest(Watcher) as t:
        t.message({"mean": 7.0})
        before = t.digest()
        t.send(Reading(line="a", heat=-1))
        t.send_raw(Reading, {"line": "a", "heat": "warm"})
        t.send_raw(Reading, b"{")
        assert t.agent.mean == 7.0
        assert t.digest() == before
        reasons = [letter.reason for letter in t.dead_letters]
        assert reasons[0] == "ValueError: colder than nothing"
        assert reasons[1].startswith("field heat: Input should be a valid number")
        assert "Invalid JSON" in reasons[2]


def test_what_cannot_be_sent_is_said() -> None:
    """An event, a label or a topic that the agent doesn't take is an error that names the remedy."""
    with AgentTest(Deaf) as t:
        with pytest.raises(ConfigError, match=r"doesn't consume Unread \(topic 'elsewhere'\)"):
            t.send(Unread())
        with pytest.raises(ConfigError, match="doesn't read 'elsewhere'"):
            t.send_raw(Unread, b"{}")
        with pytest.raises(ConfigError, match="has no on_label"):
            t.label("x", value=True)
        with pytest.raises(ConfigError, match="has no on_message"):
            t.message({})
        with pytest.raises(BadInput, match="go back"):
            t.advance(timedelta(seconds=-1))


def test_what_is_not_declared_is_said() -> None:
    """Proposals and events of classes that the agent doesn't declare would fail in production, so they fail here."""
    with AgentTest(Undeclared) as t:
        t.send(Reading(line="a", heat=1))
        with pytest.raises(ConfigError, match="proposed 'inspect', which it doesn't declare"):
            _ = t.proposals
        with pytest.raises(ConfigError, match="published to 'test-hot'"):
            _ = t.published


@pytest.mark.parametrize("agent", [Careless, Timed])
def test_an_agent_that_is_not_deterministic_is_found_out(agent: type[Agent]) -> None:
    """What comes from outside the records differs when all is folded again, in outputs or in state."""
    with pytest.raises(ReplayMismatch, match="comes out otherwise"), AgentTest(agent) as t:
        t.send(Reading(line="a", heat=1))


def test_the_clock_reads_the_same_inside_and_outside() -> None:
    """`now` starts at a fixed moment and moves with `advance` alone."""
    with AgentTest(Watcher) as t:
        start = t.now
        t.advance(timedelta(hours=1))
        assert t.now - start == timedelta(hours=1)
