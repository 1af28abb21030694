"""Which commits belong to an id: by the topics alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from tests.unit.kernel.test_past import OFTEN
from tests.unit.kernel.transactor_world import World, run
from tests.unit.runtime.recorded_world import app_of

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Headers, Position
from rivergate.runtime.replay.finding import NotRecorded, find_actions, find_event
from rivergate.runtime.session import unheard

AGENTS, DOORS, GRAPHS = "a1" + "0" * 30, "a2" + "0" * 30, "b1" + "0" * 30


class Topics:
    """The kernel's world with events of their own ids, and what came of three proposals."""

    def __init__(self) -> None:
        self.world = World()
        for n in (1, 2, 3):
            headers: Headers = [("ce_source", b"/plant"), ("ce_id", b"e%d" % n)]
            self.world.broker.append("plant-in", 0, orjson.dumps({"n": n}), headers=headers)
        run(self.world.transactor(limits=OFTEN))
        self.write(names.PROPOSALS, names.PROPOSAL_V1, AGENTS, "agent-summing/0/1/2")
        self.write(names.PROPOSALS, names.PROPOSAL_V1, DOORS, "")
        self.write(names.PROPOSALS, names.PROPOSAL_V1, GRAPHS, "agent-graph/0/5/0")
        for topic in (names.REVIEWS, names.LABELS, names.DENIALS, names.OUTCOMES, names.ACTIONS):
            self.world.broker.create(f"plant.{topic}", 1)
        self.write(names.REVIEWS, names.REVIEW_OPENED_V1, AGENTS, "gate/0/3/0")
        self.write(names.REVIEWS, names.REVIEW_SETTLED_V1, AGENTS, "gate/0/8/0")
        self.write(names.ACTIONS, names.ACTION_V1, AGENTS, "gate/0/8/1")
        self.write(names.OUTCOMES, names.OUTCOME_V1, AGENTS, "effects/0/4/0", status="done")
        self.write(names.DENIALS, names.DENIAL_V1, DOORS, "gate/0/9/0")
        self.recorded: Any = SimpleNamespace(
            app=replace(app_of(), name="plant"),
            archive=self.world.broker.reader(),
            shard_spec=lambda _stage, _shard: self.world.spec(),
        )

    def write(self, topic: str, ce_type: str, pid: str, commit: str, **more: Any) -> None:
        """A record about a proposal."""
        value = {
            "proposal_id": pid,
            "event_id": "/plant#e2",
            "event": {"topic": "plant-in", "partition": 0, "offset": 1},
        }
        headers: Headers = [("ce_type", ce_type.encode())]
        headers += [("rg_commit", commit.encode())] if commit else []
        self.world.broker.append(f"plant.{topic}", 0, orjson.dumps(value | more), headers=headers)


@pytest.fixture(scope="module")
def topics() -> Topics:
    """Read alone."""
    return Topics()


def test_an_action_is_its_agents_commit_and_all_of_the_gates(topics: Topics) -> None:
    """The gate opened its review in one commit and settled it in another; effects are told, not replayed."""
    [found] = find_actions(topics.recorded, ["a1"], unheard)
    assert found.commits == [("agent-summing", 0, 1), ("gate", 0, 3), ("gate", 0, 8)]
    assert (found.id, found.event_id, found.event) == (AGENTS, "/plant#e2", Position("plant-in", 0, 1))
    assert found.notes == [
        "effects/0 wrote the outcome 'done' in commit 4; it is a performer, and the world can't be played again: not replayed"
    ]


def test_what_the_door_or_a_graph_proposed_is_the_gates_alone(topics: Topics) -> None:
    """Neither can be replayed, and that is said; several ids are answered in their order."""
    graphs, doors = find_actions(topics.recorded, [GRAPHS, DOORS], unheard)
    assert doors.commits == [("gate", 0, 9)]
    assert "at the door" in doors.notes[0]
    assert graphs.commits == []
    assert "agent-graph proposed it; it is a performer" in graphs.notes[0]


def test_an_id_has_to_be_one(topics: Topics) -> None:
    """The beginning of two proposals, and of none."""
    with pytest.raises(BadInput, match=f"may be {AGENTS}, {DOORS}"):
        find_actions(topics.recorded, ["a"], unheard)
    with pytest.raises(NotRecorded, match="no proposal 'c'"):
        find_actions(topics.recorded, ["c"], unheard)


@pytest.mark.parametrize("event_id", ["/plant#e2", "plant-in/0/1"])
def test_an_event_is_found_by_its_id_and_by_its_place(topics: Topics, event_id: str) -> None:
    """And in the journal the commit that read it."""
    found = find_event(topics.recorded, event_id, unheard)
    assert (found.event, found.commits) == (Position("plant-in", 0, 1), [("agent-summing", 0, 1)])


def test_an_event_that_was_not_read_or_is_not_there_is_said(topics: Topics) -> None:
    """The one has a place, the other none."""
    unread = find_event(topics.recorded, "plant-in/0/77", unheard)
    assert (unread.commits, "hasn't read plant-in/0/77" in unread.notes[0]) == ([], True)
    with pytest.raises(NotRecorded, match="no event '/plant#e9'"):
        find_event(topics.recorded, "/plant#e9", unheard)
