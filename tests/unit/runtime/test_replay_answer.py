"""What a replay is asked for, what it answers, and what it refuses since it would check nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import orjson
import pytest
from tests.unit.kernel.test_past import lived
from tests.unit.kernel.transactor_world import NEW_CODE, OLD_CODE, Summing, World
from tests.unit.runtime.recorded_world import app_of

from rivergate.agents.fold import AgentFold
from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Headers
from rivergate.kernel.past import NothingToReplay, Past
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.states import States
from rivergate.kernel.written import Written
from rivergate.runtime.replay import replay_answer, state_answer
from rivergate.runtime.replay.recorded_app import demand_same_partitions
from rivergate.runtime.session import unheard
from rivergate.runtime.spec import AppRef, ProcessSpec

SPEC = ProcessSpec("replay", "", "replay", AppRef("a:b", "plant", 1), "", ".")
ACTION = "a1" + "0" * 30


class Recorded:
    """`RecordedApp` of the kernel's world under an agent's code."""

    def __init__(self, world: World, code: str = OLD_CODE) -> None:
        self.world, self.agent, self.code = world, Summing, code
        self.app = replace(app_of(), name=world.app)
        self.archive = world.broker.reader()
        self.shards = [(world.stage, 0)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def shard_spec(self, _stage: str, _shard: int) -> ShardSpec:
        """The one shard."""
        return self.world.spec(self.code)

    def snapshots(self, spec: ShardSpec) -> SnapshotStore:
        """Its snapshots."""
        return self.world.store(spec)

    def past(self, _stage: str, _shard: int, _keep: None = None) -> Past:
        """Its past."""
        spec = self.world.spec(self.code)
        return Past(spec, self.archive, lambda: AgentFold(self.app.name, self.agent), self.world.store(spec))

    def states(self, past: Past, _keep: None = None) -> States:
        """What its states are held against."""
        return States(past.snapshots, past.make_fold)

    def written(self, _stage: str, _shard: int, _keep: None = None) -> Written:
        """What it has written."""
        return Written(self.world.spec(), self.world.broker.reader())


def asked(monkeypatch: pytest.MonkeyPatch, world: World, **ask: Any) -> dict[str, Any]:
    """The answer."""
    monkeypatch.setattr(replay_answer, "RecordedApp", lambda _: Recorded(world))
    return replay_answer.answer(SPEC, ask, unheard)


@pytest.mark.parametrize("at", ["3", "", ACTION])
def test_a_state_says_whose_code_it_is_of(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """A snapshot is begun from whoever took it: after it, and inside of a commit, the present code reads and folds."""
    world = lived()
    propose(world)
    ask = {"agent": "summing", "shard": 0, "at": at}
    for code, notes in (
        (OLD_CODE, []),
        (NEW_CODE, ["code aaaaaaaaaaaa ran then; this is what bbbbbbbbbbbb, the present code, reads and makes of it"]),
    ):
        monkeypatch.setattr(state_answer, "RecordedApp", lambda *_, code=code: Recorded(world, code))
        assert state_answer.answer(SPEC, ask, unheard)["notes"] == notes


def compared(found: dict[str, Any]) -> Sequence[int]:
    """Which commits of the one shard."""
    [part] = found["parts"]
    return [told["seq"] for told in part["told"]]


def propose(world: World) -> None:
    """An action of commit 1."""
    event = {"topic": "plant-in", "partition": 0, "offset": 1}
    value = {"proposal_id": ACTION, "event_id": "plant-in/0/1", "event": event}
    headers: Headers = [("ce_type", names.PROPOSAL_V1.encode()), ("rg_commit", b"agent-summing/0/1/2")]
    world.broker.append("plant.proposals", 0, orjson.dumps(value), headers=headers)


def of_shard(world: World, first: int | None = None, last: int | None = None) -> list[list[Any]]:
    """As `--shard` with `--from` and `--to`."""
    return [[world.stage, 0, first, last]]


@pytest.mark.parametrize(("first", "last"), [(8, None), (99, None), (5, 4), (0, 8)])
def test_commits_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, first: int | None, last: int | None
) -> None:
    """Else nothing is compared, and found identical."""
    world = lived()
    with pytest.raises(BadInput, match=f"has no commits from {first}") as refused:
        asked(monkeypatch, world, shards=of_shard(world, first, last))
    assert refused.value.remedy == "its newest commit is 7"
    assert compared(asked(monkeypatch, world, shards=of_shard(world, 7))) == [7]


def test_where_nothing_can_be_compared_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard without commits; one whose inputs are gone up to its newest snapshot. Beside others it is a note."""
    empty = World()
    with pytest.raises(NothingToReplay, match="agent-summing/0 has no commits yet"):
        asked(monkeypatch, empty, all=True)
    world = lived()
    world.broker.trim(("plant-in", 0), 8)
    with pytest.raises(
        NothingToReplay, match="retention has removed what agent-summing/0 has read up to its newest commit, 7"
    ):
        asked(monkeypatch, world, shards=of_shard(world))


def test_an_action_and_a_part_of_its_shard_are_both_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the other's place."""
    world = lived()
    propose(world)
    found = asked(monkeypatch, world, actions=["a1"], shards=of_shard(world, 5, 6))
    assert compared(found) == [1, 5, 6]
    found = asked(monkeypatch, world, actions=["a1"], shards=of_shard(world, 0, 2))
    assert compared(found) == [0, 1, 2]


def test_an_app_has_to_be_asked_for_with_the_partitions_that_it_has() -> None:
    """Where no data directory knows them, the app's own number isn't the one that it ran with."""
    world = World()
    world.broker.create(names.journal_topic("plant", names.EFFECTS), 16)
    app = replace(app_of(), name="plant")
    demand_same_partitions(replace(app, partitions=16), world.broker.reader())
    with pytest.raises(BadInput, match="16 partitions on its Kafka, and 4 are asked for") as refused:
        demand_same_partitions(replace(app, partitions=4), world.broker.reader())
    assert refused.value.remedy == "give --partitions 16"
