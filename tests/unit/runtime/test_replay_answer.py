"""What a replay is asked for, what it answers, and what it refuses since it would check nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from tests.unit.kernel.test_deployed import deployed
from tests.unit.kernel.test_past import NEVER, lived
from tests.unit.kernel.transactor_world import NEW_CODE, OLD_CODE, Put, Summing, World
from tests.unit.runtime.recorded_world import app_of

from rivergate.agents import Context
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
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.replay.recording import (
    KeepingArchive,
    KeepingStates,
    KeepingWritten,
    Recording,
    RecordingBlobs,
)
from rivergate.runtime.replay.replay_recording import replay_recording
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

    def new_recording(self) -> Recording:
        """An empty one."""
        return Recording(self.app.name, b"\0" * 32)

    def snapshots(self, spec: ShardSpec, keep: Recording | None = None) -> SnapshotStore:
        """Its snapshots."""
        blobs = RecordingBlobs(keep, self.world.blobs) if keep else self.world.blobs
        return SnapshotStore(blobs, spec, self.world.store(spec)._key)

    def past(self, _stage: str, _shard: int, keep: Recording | None = None) -> Past:
        """Its past."""
        spec = self.world.spec(self.code)
        archive = KeepingArchive(keep, self.archive) if keep else self.archive
        return Past(spec, archive, lambda: AgentFold(self.app.name, self.agent), self.snapshots(spec, keep))

    def states(self, past: Past, keep: Recording | None = None) -> States:
        """What its states are held against."""
        store = self.snapshots(past.spec)
        return KeepingStates(keep, store, past.make_fold) if keep else States(store, past.make_fold)

    def written(self, _stage: str, _shard: int, keep: Recording | None = None) -> Written:
        """What it has written."""
        spec, archive = self.world.spec(), self.world.broker.reader()
        return KeepingWritten(keep, spec, archive) if keep else Written(spec, archive)


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


@pytest.mark.parametrize(("code", "shards"), [(NEW_CODE, 2), (OLD_CODE, 1)])
def test_what_former_code_decided_keeps_no_other_shard_from_being_compared(
    monkeypatch: pytest.MonkeyPatch, code: str, shards: int
) -> None:
    """A difference of the present code does."""
    recorded = Recorded(deployed(monkeypatch), code)
    recorded.shards = [(recorded.world.stage, n) for n in range(2)]
    monkeypatch.setattr(replay_answer, "RecordedApp", lambda _: recorded)
    found = replay_answer.answer(SPEC, {"all": True}, unheard)
    assert (found["identical"], len(found["parts"])) == (False, shards)


def test_an_app_has_to_be_asked_for_with_the_partitions_that_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no data directory knows them, the app's own number isn't the one that it ran with."""
    world = World()
    world.broker.create(names.journal_topic("plant", names.EFFECTS), 16)
    monkeypatch.setattr(RecordedApp, "new_archive", lambda _: world.broker.reader())

    def entered(partitions: int) -> int:
        app = AppRef("tests.unit.runtime.recorded_world:app_of", "plant", partitions)
        with RecordedApp(replace(SPEC, app=app, data_dir=str(tmp_path))) as recorded:
            return len(recorded.shards)

    assert entered(16) == 17
    with pytest.raises(BadInput, match="16 partitions on its Kafka, and 4 are asked for") as refused:
        entered(4)
    assert refused.value.remedy == "give --partitions 16"


@pytest.fixture
def changing(monkeypatch: pytest.MonkeyPatch) -> World:
    """Eight commits, and since then the code gives another sum from the fifth on."""
    world = lived(limits=NEVER)
    add = Summing.on_event

    def add_otherwise(agent: Summing, event: Put, ctx: Context) -> None:
        agent.sum += event.n == 5
        add(agent, event, ctx)

    monkeypatch.setattr(Summing, "on_event", add_otherwise)
    return world


@pytest.mark.parametrize(("first", "kept"), [(0, [0, 1, 2, 3, 4]), (4, [4]), (6, [4])])
def test_a_recording_has_the_commits_that_were_compared(
    monkeypatch: pytest.MonkeyPatch, changing: World, tmp_path: Path, first: int, kept: list[int]
) -> None:
    """Up to the first difference, on the way too: it shows it again, and with the code of then there is none."""
    path = tmp_path / "shard.rec"
    found = asked(monkeypatch, changing, shards=of_shard(changing, first), save=str(path))
    assert found["parts"][0]["difference"]["seq"] == 4
    recording = Recording.load(path)
    assert recording.parts == [(changing.stage, 0, kept)]
    [part] = replay_recording(app_of(), recording)
    assert part.difference is not None
    assert [(f.field, f.recorded, f.again) for f in part.difference.fields] == [("value.sum", 15, 16)]
    monkeypatch.undo()
    [part] = replay_recording(app_of(), recording)
    assert (part.difference, part.commits) == (None, len(kept))


def test_a_state_that_differed_does_so_in_the_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has the digest of then."""
    world = lived()
    world.blobs.kept = {n: c for n, c in world.blobs.kept.items() if "/000000000005-" in n}
    learn = Summing.on_event

    def learn_otherwise(agent: Summing, event: Put, ctx: Context) -> None:
        learn(agent, event, ctx)
        agent.last = event.n  # type: ignore[attr-defined] - what it didn't keep before

    monkeypatch.setattr(Summing, "on_event", learn_otherwise)
    path = tmp_path / "shard.rec"
    found = asked(monkeypatch, world, shards=of_shard(world, 0), save=str(path))
    assert found["parts"][0]["difference"]["seq"] == 5
    [part] = replay_recording(app_of(), Recording.load(path))
    assert part.difference is not None
    assert (part.difference.what, part.commits) == (found["parts"][0]["difference"]["what"], 6)


def test_a_recording_over_a_deployment_shows_the_first_difference_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the code of then there is none; it holds the drain's snapshot, so it wants the key."""
    recorded = Recorded(deployed(monkeypatch), NEW_CODE)
    monkeypatch.setattr(replay_answer, "RecordedApp", lambda _: recorded)
    path, key = tmp_path / "shard.rec", tmp_path / "snapshots.pub"
    replay_answer.answer(SPEC, {"shards": of_shard(recorded.world), "save": str(path)}, unheard)
    key.write_text(recorded.world.store(recorded.world.spec())._key.public.hex())
    with pytest.raises(BadInput, match="holds snapshots"):
        replay_recording(app_of(), Recording.load(path))
    for factor, seqs in ((2, [0]), (1, [])):
        monkeypatch.setattr(Summing, "factor", factor)
        parts = replay_recording(app_of(), Recording.load(path), key)
        assert [p.difference.seq for p in parts if p.difference] == seqs


@pytest.mark.parametrize("name", ["", "no such folder/shard.rec"])
def test_a_recording_that_cannot_be_saved_is_refused_before_the_replay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Which may take hours."""
    monkeypatch.setattr(replay_answer, "RecordedApp", lambda _: pytest.fail("it was replayed"))
    with pytest.raises(BadInput, match="can't be written") as refused:
        replay_answer.answer(SPEC, {"all": True, "save": str(tmp_path / name)}, unheard)
    assert refused.value.where == str(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_is_refused_leaves_the_recording_of_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And none where there was none."""
    world = lived()
    for name, before in (("old.rec", [b"x"]), ("new.rec", [])):
        path = tmp_path / name
        for content in before:
            path.write_bytes(content)
        with pytest.raises(BadInput):
            asked(monkeypatch, world, shards=of_shard(world, 99), save=str(path))
        assert [p.read_bytes() for p in tmp_path.glob(name)] == before
