from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold, agent_inputs
from rivergate.domain.errors import ConfigError, RecordFailed, SnapshotCorrupt
from rivergate.domain.event import Event, Label, Proposal
from rivergate.domain.ids import arguments_digest, proposal_id
from rivergate.domain.record import BY_KEY, Record
from rivergate.ports import Batch, Outputs
from rivergate.testing import AgentTest


class Opened(Event, topic="{app}-doors", key="door", type="door.opened"):
    door: str


class Shut(Event, topic="{app}-doors", key="door", type="door.shut"):
    door: str


class Lock(Proposal):
    door: str
    tries: int = 1


class Doorman(Agent):
    consumes = (Opened, Shut)
    proposes = (Lock,)
    publishes = (Shut,)
    keyed_entries = 2
    remembered_events = 3
    early_labels = 2
    labels = 0

    def on_event(self, event: Opened | Shut, ctx: Context) -> None:
        seen = ctx.keyed(event.door)
        seen["times"] = seen.get("times", 0) + 1
        ctx.remember(event, features=type(event).__name__, prediction=ctx.random.random())
        if isinstance(event, Opened):
            ctx.propose(Lock(door=event.door), confidence=0.5)
            ctx.propose(Lock(door=event.door, tries=seen["times"]), on_behalf_of="porter")
        else:
            ctx.publish(event)

    def on_label(self, label: Label, ctx: Context) -> None:
        self.labels += 1
        if label.value == "late":
            ctx.propose(Lock(door="all"))


class Broken(Agent):
    consumes = (Opened,)

    def on_event(self, event: Opened, ctx: Context) -> None:
        if event.door == "unsure":
            ctx.propose(Lock(door="x"), confidence=1.5)
        if event.door == "quits":
            raise SystemExit(3)
        if event.door == "cancelled":
            raise asyncio.CancelledError
        if event.door == "interrupted":
            raise KeyboardInterrupt
        if event.door == "huge":
            ctx.propose(Lock(door="x", tries=2**60))
        raise KeyError(event.door)


def test_a_redriven_record_is_for_the_stage_that_had_set_it_aside() -> None:
    """Other agents of the topic have handled it; under its origin's id it is the event that it was."""
    event = b'{"door": "north"}'
    with AgentTest(Doorman) as t:
        t.send_raw(Opened, event, headers=[("ce_type", b"door.opened"), ("rg_for", b"/rivergate/test/agent-broken")])
        assert t.proposals == []
        headers = [("ce_type", b"door.opened"), ("rg_origin", b"x/0/5"), ("rg_for", b"/rivergate/test/agent-doorman")]
        assert t.send_raw(Opened, event, headers=headers).event_id == "x/0/5"
        assert len(t.proposals) == 2


def batch(seq: int = 0) -> Batch:
    """A commit's circumstances."""
    return Batch("app", "agent-doorman", 0, seq, 1_000_000, lambda: 0)


def test_inputs_follow_from_the_class() -> None:
    """Events' topics, labels only with `on_label`, messages only with `on_message`; {app} stands for the app."""
    assert agent_inputs("app", Doorman) == ["app-doors", "app.labels"]
    assert agent_inputs("app", Broken) == ["app-doors"]


def test_one_topic_may_carry_several_types() -> None:
    """`ce_type` chooses the class; a type that nobody declared is set aside, never guessed."""
    with AgentTest(Doorman) as t:
        t.send(Opened(door="a"))
        t.send(Shut(door="a"))
        assert len(t.proposals) == 2
        assert t.published == [Shut(door="a")]
        t.send_raw(Opened, {"door": "a"}, headers=[("ce_type", b"door.painted")])
        assert t.dead_letters[0].reason == "ce_type 'door.painted' is none of door.opened, door.shut"


def test_proposals_have_the_ids_of_the_wire_contract() -> None:
    """Id and digest can be computed by anybody from app, agent, event id, ordinal, and from the arguments."""
    with AgentTest(Doorman) as t:
        event = t.send(Opened(door="a"))
        first, second = t.proposal_records
        assert [r.proposal_id for r in (first, second)] == [proposal_id("test", "doorman", event, n) for n in range(2)]
        assert second.arguments_digest == arguments_digest("lock", {"door": "a", "tries": 1})
        assert (first.ordinal, second.ordinal) == (0, 1)
        assert (first.on_behalf_of, second.on_behalf_of) == (None, "porter")
        assert (first.event.topic, first.event.partition, first.event.offset) == ("test-doors", 0, 0)


def test_what_a_label_causes_descends_from_the_label() -> None:
    """A proposal made when the truth came has an id of its own: it can't collide with those of the event."""
    with AgentTest(Doorman) as t:
        event = t.send(Shut(door="a"))
        t.label(event, "late")
        assert [r.event_id for r in t.proposal_records] == ["/test#labels-0"]


@pytest.mark.parametrize("labels", [("too late", "too late"), ("late", "too late")])
def test_the_first_label_binds(labels: tuple[str, str]) -> None:
    """A second label of an event is counted and not handed on."""
    with AgentTest(Doorman) as t:
        event = t.send(Shut(door="a"))
        for value in labels:
            t.label(event, value)
        assert t.agent.labels == 1
        assert t._shard._fold.state.memory.repeated == 1


def test_what_waits_is_bounded_and_counted() -> None:
    """Remembered events, early labels and keyed state each drop their oldest and count it."""
    with AgentTest(Doorman, restore=True) as t:
        for door in "abcde":
            t.send(Shut(door=door))
            t.label(f"/test#never-{door}", "early")
        state = t._shard._fold.state
        assert (len(state.memory.events), state.memory.forgotten) == (3, 2)
        assert (len(state.memory.early), state.memory.expired_labels) == (2, 3)
        assert (list(state.keyed.entries), state.keyed.dropped) == (["d", "e"], 3)


def test_what_waits_too_long_is_forgotten() -> None:
    """Age bounds as number does: after days nothing of it is left."""
    with AgentTest(Doorman) as t:
        t.send(Shut(door="a"))
        t.label("/test#never", "early")
        t.advance(timedelta(days=8))
        t.send(Shut(door="b"))
        state = t._shard._fold.state
        assert (len(state.memory.events), state.memory.forgotten, state.memory.expired_labels) == (1, 1, 1)
        assert list(state.keyed.entries) == ["b"]


def test_traces_go_on_where_the_event_brought_one() -> None:
    """The event's trace is the proposal's; without one it is derived from the event id, the same in every replay."""
    given = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    with AgentTest(Doorman) as t:
        t.send(Opened(door="a"), traceparent=given)
        assert (t.spans[0].trace_id, t.spans[0].parent_id) == ("ab" * 16, "cd" * 8)
        event = t.send(Opened(door="a"))
        assert t.spans[1].trace_id == hashlib.sha256(event.encode()).hexdigest()[:32]
        outputs = t._shard.outputs
        assert outputs[0].traceparent.decode() == f"00-{'ab' * 16}-{t.spans[0].span_id}-01"
        assert all(o.partition != BY_KEY for o in outputs)


def test_what_an_agent_publishes_goes_by_its_key() -> None:
    """A published event takes the partition that its own key chooses, and the name of the app's topic."""
    with AgentTest(Doorman) as t:
        t.send(Shut(door="a"))
        output = t._shard.outputs[0]
        assert (output.topic, output.partition, output.key) == ("test-doors", BY_KEY, b"a")


def test_randomness_differs_by_commit_and_not_by_run() -> None:
    """`ctx.random` is seeded from where the commit stands."""
    runs = []
    for _ in range(2):
        with AgentTest(Doorman) as t:
            t.send(Shut(door="a"), id="one")
            t.send(Shut(door="a"), id="two")
            remembered: Any = t._shard._fold.state.memory.events
            runs.append([m[1] for m in remembered.values()])
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


@pytest.mark.parametrize(
    ("door", "reason"), [("unsure", "isn't a probability"), ("huge", "no canonical JSON form"), ("other", "KeyError")]
)
def test_a_method_that_raises_is_the_records_fault(door: str, reason: str) -> None:
    """The error names the record's place in the batch, and a proposal that can't be judged is never written."""
    fold = AgentFold("app", Broken)
    record = Record("app-doors", 0, 7, None, b'{"door": "%s"}' % door.encode(), [])
    with pytest.raises(RecordFailed, match=reason) as raised:
        fold.fold(batch(), [record], Outputs())
    assert (raised.value.index, raised.value.where) == (0, "app-doors/0/7")


@pytest.mark.parametrize(("door", "reason"), [("quits", "SystemExit: 3"), ("cancelled", "CancelledError")])
def test_user_code_that_wants_to_end_the_process_fails_its_record(door: str, reason: str) -> None:
    """It is set aside like any other: else it would take the shard with it, again and again."""
    with pytest.raises(RecordFailed, match=reason) as raised:
        AgentFold("app", Broken).fold(batch(), [opened(door)], Outputs())
    assert raised.value.index == 0


def test_an_interrupt_goes_through() -> None:
    """Whoever runs a replay or a test ends it by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        AgentFold("app", Broken).fold(batch(), [opened("interrupted")], Outputs())


def opened(door: str) -> Record:
    """An event of the topic."""
    return Record("app-doors", 0, 7, None, b'{"door": "%s"}' % door.encode(), [])


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"value": 1}', b'{"event_id": 3, "value": 1}', b'{"event_id": "a"}'])
def test_a_label_that_says_nothing_is_set_aside(value: bytes) -> None:
    """A label without event id and value never reaches the state."""
    with AgentTest(Doorman) as t:
        t.send_raw("test.labels", value)
        assert [letter.reason for letter in t.dead_letters] == ["a label needs `event_id` and `value`"]


def test_messages_for_others_are_not_heard() -> None:
    """Every agent reads the bus; `on_message` gets what is addressed to it."""
    heard: list[dict[str, Any]] = []

    class Listener(Agent):
        def on_message(self, message: dict[str, Any], ctx: Context) -> None:
            heard.append(message)

    fold = AgentFold("app", Listener)
    values = [
        b'{"to": "listener", "message": {"n": 1}}',
        b'{"to": "other", "message": {"n": 2}}',
        b'{"to": "listener"}',
    ]
    out = Outputs()
    fold.fold(batch(), [Record("app.messages", 0, n, None, v, []) for n, v in enumerate(values)], out)
    assert heard == [{"n": 1}]
    assert out.skipped == [(2, "a message needs `to` and `message`")]


def test_a_snapshot_that_is_something_else_is_refused() -> None:
    """Bytes that no present code can read, and a pickle of another thing, are errors with a remedy."""
    fold = AgentFold("app", Doorman)
    with pytest.raises(SnapshotCorrupt, match="can't read the state"):
        fold.load(b"nonsense")
    with pytest.raises(SnapshotCorrupt, match="holds a NoneType"):
        fold.load(b"N.")


def test_a_class_that_cannot_work_is_refused_when_it_is_defined() -> None:
    """Consuming or proposing something that isn't of the right kind is said at once."""
    with pytest.raises(ConfigError, match="isn't an event class with a topic"):
        type("Wrong", (Agent,), {"consumes": (Lock,)})
    with pytest.raises(ConfigError, match="isn't a proposal class"):
        type("Wrong", (Agent,), {"proposes": (Opened,)})
