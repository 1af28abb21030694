"""The kernel's one-shard world as an app with a recording."""

from __future__ import annotations

from pathlib import Path

from tests.unit.kernel.test_past import OFTEN, lived
from tests.unit.kernel.transactor_world import Doubling, Summing, World

from rivergate.agents import Agent
from rivergate.agents.fold import AgentFold
from rivergate.domain.signing import VerifyingKey
from rivergate.kernel.past import Past
from rivergate.kernel.replay import replay_commits
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits
from rivergate.runtime.app import App
from rivergate.runtime.replay.recording import KeepingArchive, KeepingStates, KeepingWritten, Recording, RecordingBlobs

POLICY = Path(__file__)


def app_of(agent: type[Agent] = Summing) -> App:
    """An app of that agent, under another name than the recording's."""
    return App("ci", [agent], POLICY, partitions=1)


def changed() -> App:
    """What its engineer made of it."""
    return app_of(Doubling)


def recorded(folder: Path, wanted: list[int], limits: Limits = OFTEN) -> tuple[Path, Path]:
    """A recording of these commits of eight, and the public key of its snapshots."""
    return recording_of(lived(8, limits), Summing, folder, wanted)


def recording_of(world: World, agent: type[Agent], folder: Path, wanted: list[int]) -> tuple[Path, Path]:
    """The same of a world that has lived."""
    spec = world.spec()
    key = world.store(spec)._key.public
    recording = Recording(world.app, b"\0" * 32, [(world.stage, 0, wanted)])
    archive = KeepingArchive(recording, world.broker.reader())
    store = SnapshotStore(RecordingBlobs(recording, world.blobs), spec, VerifyingKey(key))
    past = Past(spec, archive, lambda: AgentFold(world.app, agent), store)
    states = KeepingStates(recording, SnapshotStore(world.blobs, spec, VerifyingKey(key)), past.make_fold)
    replay_commits(past, KeepingWritten(recording, spec, world.broker.reader()), wanted, states=states)
    path, public = folder / "shard.rec", folder / "snapshots.pub"
    recording.save(path)
    public.write_text(key.hex() + "\n")
    return path, public
