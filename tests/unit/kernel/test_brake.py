"""What waits behind a shard, or in it, stops its reading and nothing else, and never for good."""

from __future__ import annotations

import logging

import pytest
from tests.unit.gate.world import APP
from tests.unit.kernel.brake_world import AgentWorld, GateWorld, settle
from tests.unit.kernel.transactor_world import START

from rivergate.domain.clock import SECOND
from rivergate.kernel.brake import CALM_S
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.testing.memory_log import Fate

EVENTS = ("plant-in", 0)
PROPOSALS = (f"{APP}.proposals", 3)


def agent_with(events: int, limit: int, limits: Limits | None = None) -> tuple[AgentWorld, Transactor]:
    """A world in which so many events wait, and the agent's owner."""
    world = AgentWorld()
    for n in range(events):
        world.put(n)
    return world, world.agent(limit, limits)


def test_an_agent_stops_while_the_gate_is_too_far_behind_and_goes_on_at_four_fifths() -> None:
    """What it has written since it last asked counts; between the two marks nothing changes."""
    world, agent = agent_with(events=100, limit=20)
    settle(agent)
    stopped = len(world.proposed())
    assert 20 - 10 <= stopped <= 20, "a batch of two, and its marker, take three offsets"
    end = world.broker.watermarks(world.proposals)[1]
    assert 20 <= end <= 20 + 3, "the limit and a batch"
    world.gate_reads(end - 17)
    settle(agent)
    assert len(world.proposed()) == stopped
    world.gate_reads(end - 16)
    settle(agent)
    assert len(world.proposed()) > stopped
    for _ in range(100):
        world.gate_reads(world.broker.watermarks(world.proposals)[1])
        settle(agent)
    assert world.proposed() == list(range(100))


def test_batches_in_flight_stop_too() -> None:
    """A step handles up to eight full batches: it ends with the one that reaches the limit."""
    world, agent = agent_with(events=100, limit=6)
    agent.step()
    assert world.broker.watermarks(world.proposals)[1] == 6


def test_the_reader_is_asked_twice_a_second_at_most() -> None:
    """And what it last said holds while the broker can't be asked."""
    world, agent = agent_with(events=100, limit=20)
    settle(agent)
    before = len(world.proposed())
    world.broker.offsets["plant.gate", world.proposals] = (before, "")
    settle(agent)
    assert len(world.proposed()) == before, "half a second hasn't passed"
    world.shard.lag.away = True
    world.shard.watch.s += 60
    settle(agent)
    assert len(world.proposed()) == before
    world.shard.lag.away = False
    world.shard.watch.s += 1
    settle(agent)
    assert len(world.proposed()) > before


def test_what_nobody_can_say_is_counted() -> None:
    """An empty answer is none: all that was written since the last one still counts."""
    world, agent = agent_with(events=100, limit=20)
    world.shard.lag.away = True
    for _ in range(40):
        agent.step()
        world.shard.watch.s += 1
    assert 20 <= world.broker.watermarks(world.proposals)[1] <= 20 + 3


def test_a_reader_without_committed_offsets_is_behind_by_what_came_since_the_first_look() -> None:
    """The offsets of a quiet partition expire. Were all of it behind, nobody would write what the gate reads next."""
    world = AgentWorld()
    for _ in range(1000):
        world.broker.append(*world.proposals, b'{"arguments": {"n": -2}}')
    world.put(1)
    agent = world.agent(20)
    settle(agent)
    assert world.proposed()[-1] == 1
    for n in range(100):
        world.put(n)
    settle(agent)
    assert world.broker.watermarks(world.proposals)[1] <= 1000 + 20 + 3


def test_timers_fire_while_events_wait() -> None:
    """The clock goes on; only reading stops."""
    world = AgentWorld()
    world.put(0, "later")
    for n in range(1, 50):
        world.put(n)
    agent = world.agent(6)
    settle(agent)
    before = len(world.proposed())
    assert -1 not in world.proposed()
    world.now = START + 11 * SECOND
    settle(agent)
    assert world.proposed()[before:] == [-1]


def test_a_drain_ends_while_events_wait_and_the_next_owner_waits_too() -> None:
    """It leaves its snapshot; nothing is lost or doubled on the way."""
    world, agent = agent_with(events=30, limit=10)
    settle(agent)
    read = world.shard.read_up_to(EVENTS)
    agent.drain()
    agent.close()
    snapshot = agent.standing.snapshot
    assert snapshot is not None
    assert snapshot.seq == agent.standing.seq - 1
    world.broker.offsets["plant.gate", world.proposals] = (0, "")
    successor = world.agent(10)
    settle(successor)
    assert world.shard.read_up_to(EVENTS) == read
    for _ in range(30):
        world.gate_reads(world.broker.watermarks(world.proposals)[1])
        settle(successor)
    assert world.proposed() == list(range(30))


def test_a_rebuild_while_events_wait_reads_none_of_them() -> None:
    """A failed commit of a timer puts the shard back to where it stood, and it waits on."""
    world = AgentWorld()
    world.put(0, "later")
    for n in range(1, 50):
        world.put(n)
    agent = world.agent(6)
    settle(agent)
    before = world.proposed()
    world.now = START + 11 * SECOND
    world.broker.fates.append(Fate.ABORTED)
    settle(agent)
    assert world.proposed() == [*before, -1]


def test_a_replay_knows_of_no_brake() -> None:
    """Stops at other moments fold the same, and what was stopped is replayed to the same digest."""
    chains = []
    for limit in (4, 1000):
        world, agent = agent_with(events=40, limit=limit, limits=Limits(batch=1, wait_s=0.0))
        for _ in range(60):
            settle(agent)
            world.gate_reads(world.broker.watermarks(world.proposals)[1])
        assert world.proposed() == list(range(40))
        agent.drain()
        replay = world.shard.replayed()
        assert (replay.difference, replay.compared_state) == ("", True)
        assert (replay.digest, replay.state_digest) == (agent.standing.digest, agent.fold.digest())
        chains.append(replay.digest)
    assert chains[0] == chains[1]


def test_the_gate_reads_no_proposals_while_people_are_behind_but_what_they_decide() -> None:
    """It goes on once reviews have been settled; nothing is denied because the queue is full."""
    world = GateWorld()
    world.propose(30, cost=140)
    gate = world.gate(reviews=10)
    settle(gate)
    assert 10 <= len(gate.fold.state.reviews) <= 10 + 1
    assert world.shard.told[-1].startswith("waits for people (1")
    world.propose(1, cost=50, first=100, partition=0)
    settle(gate)
    assert world.values("actions") == [], "a partition isn't better than another"
    for _ in range(10):
        world.approve(4)
        settle(gate)
    assert len(world.values("actions")) == 31
    assert world.values("denials") == []
    assert world.shard.told[-1] == ""


def test_reviews_that_nobody_looks_at_end_and_let_the_gate_go_on() -> None:
    """Their deadlines are timers: so a full queue can't stand still for ever."""
    world = GateWorld()
    world.propose(30, cost=140)
    gate = world.gate(reviews=10)
    for _ in range(5):
        settle(gate)
        world.later(601)
    settle(gate)
    assert len([v for v in world.values("reviews") if v.get("result") == "expired"]) == 30
    assert world.shard.read_up_to(PROPOSALS) == 30


def test_the_gate_leaves_out_the_partition_whose_effects_are_behind() -> None:
    """The others go on, and so do outcomes and control everywhere."""
    world = GateWorld()
    world.propose(50, cost=50)
    world.propose(50, cost=50, first=50, partition=1)
    gate = world.gate(actions=12)
    settle(gate)
    assert world.shard.told[-1].startswith("waits for effects/")
    assert len(world.values("actions")) <= 2 * 12
    behind = (f"{APP}.actions", 3)
    for _ in range(30):
        world.shard.has_read(f"{APP}.effects", (f"{APP}.actions", 1), world.broker.watermarks((f"{APP}.actions", 1))[1])
        settle(gate)
    assert world.shard.told[-1] == "waits for effects/3 (12 actions behind)"
    assert world.shard.read_up_to((f"{APP}.proposals", 1)) == 50
    assert world.shard.read_up_to(PROPOSALS) < 50
    world.put(world.records.outcome("nobody's"))
    settle(gate)
    assert world.shard.read_up_to((f"{APP}.outcomes", 3)) == 1
    for _ in range(30):
        world.shard.has_read(f"{APP}.effects", behind, world.broker.watermarks(behind)[1])
        settle(gate)
    assert len(world.values("actions")) == 100


def test_the_log_says_once_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """With the numbers and what to do; the status follows every new number."""
    caplog.set_level(logging.INFO, "rivergate.kernel")
    world, agent = agent_with(events=100, limit=20)
    settle(agent)
    world.gate_reads(3)
    settle(agent)
    [began] = [r.getMessage() for r in caplog.records]
    assert began.startswith("agent-eager/0 waits for gate/0 (21 proposals behind); ")
    assert began.endswith("the limit of 20 is set with --limit proposals_waiting=N")
    assert world.shard.told == ["waits for gate/0 (21 proposals behind)", "waits for gate/0 (18 proposals behind)"]
    while len(world.proposed()) < 100:  # it stops and goes
        world.gate_reads(world.broker.watermarks(world.proposals)[1])
        settle(agent)
    assert "" in world.shard.told[:-1]
    assert [r.getMessage() for r in caplog.records] == [began]
    world.gate_reads(world.broker.watermarks(world.proposals)[1])
    settle(agent)
    world.shard.watch.s += CALM_S
    settle(agent)
    assert [r.getMessage() for r in caplog.records] == [began, "agent-eager/0 reads on; it hasn't waited for 10 s"]
    assert world.shard.told[-1] == ""
