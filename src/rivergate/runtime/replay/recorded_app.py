"""An app as its topics and snapshots recorded it: where replays find each shard of its agents and gate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.agents.fold import agent_inputs
from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.signing import VerifyingKey
from rivergate.kernel.past import Past
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.states import States
from rivergate.kernel.written import Written
from rivergate.ports import LogArchive
from rivergate.runtime import keys
from rivergate.runtime.app import App
from rivergate.runtime.replay.recording import KeepingArchive, KeepingStates, KeepingWritten, Recording, RecordingBlobs
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import fold_of, gate_inputs, shard_inputs, shard_spec


class RecordedApp:
    """Reads alone: no group is joined, nothing is committed, and of the keys only public halves are needed.

    `name` marks its consumers on the broker. A context manager that closes them; to enter it raises `BadInput` where the
    log has another number of partitions. One thread.
    """

    def __init__(self, spec: ProcessSpec, name: str = "replay") -> None:
        self.app = spec.app.load()
        self._spec = spec
        self._name = name
        self._open = ExitStack()
        self._blobs = FsspecBlobs(str(spec.options.get("snapshots") or spec.data.snapshots))
        self.archive = self.new_archive()

    def __enter__(self) -> Self:
        with self._open:
            demand_same_partitions(self.app, self.archive)
            self._open = self._open.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._open.close()

    @property
    def transactors(self) -> Sequence[str]:
        """Stages that can be replayed: agents and the gate."""
        return [*(names.agent_stage(a.name) for a in self.app.agents), names.GATE]

    @property
    def shards(self) -> Sequence[tuple[str, int]]:
        """Every shard that can be replayed."""
        return [(stage, shard) for stage in self.transactors for shard in range(self.app.stages[stage])]

    def new_archive(self) -> KafkaReader:
        """A reader of its own: two that follow one partition at once would disturb each other."""
        reader = KafkaReader(self._spec.bootstrap, f"{self.app.name}.{self._name}", self._spec.security)
        self._open.callback(reader.close)
        return reader

    def check(self, stage: str, shard: int) -> None:
        """Raises `BadInput` for a shard that isn't there, and for performers."""
        if stage not in self.app.stages:
            raise BadInput(
                f"app {self.app.name} has no stage {stage!r}", remedy=f"there are {', '.join(sorted(self.app.stages))}"
            )
        if stage not in self.transactors:
            raise BadInput(
                f"{stage} is a performer: what it did depended on the world, which can't be played again",
                remedy=f"replay {' or '.join(self.transactors)}; `rivergate explain` tells what a performer did",
            )
        if not 0 <= shard < self.app.stages[stage]:
            raise BadInput(f"{stage} has no shard {shard}", remedy=f"its shards are 0 to {self.app.stages[stage] - 1}")

    def shard_spec(self, stage: str, shard: int) -> ShardSpec:
        """The kernel's description of a shard under the present code."""
        self.check(stage, shard)
        app = self.app
        told = replace(self._spec, stage=stage)
        if stage == names.GATE:
            inputs = gate_inputs(app.name, app.partitions)
            return shard_spec(told, shard, inputs, self._code(stage), names.topic(app.name, names.CONTROL))
        return shard_spec(told, shard, shard_inputs(agent_inputs(app.name, app.agent(stage)), shard), self._code(stage))

    def new_recording(self) -> Recording:
        """An empty one of this app."""
        return Recording(self.app.name, self._operator(names.GATE))

    def snapshots(self, shard: ShardSpec, keep: Recording | None = None) -> SnapshotStore:
        """A shard's snapshots, to be read."""
        key = VerifyingKey(keys.load_public(self._spec.data.keys, keys.SNAPSHOTS))
        return SnapshotStore(RecordingBlobs(keep, self._blobs) if keep else self._blobs, shard, key)

    def past(self, stage: str, shard: int, keep: Recording | None = None) -> Past:
        """A shard's past under the present code; what is read of it is kept in a recording, if there is one."""
        described = self.shard_spec(stage, shard)
        make_fold, _ = fold_of(self.app, stage, self._operator(stage))
        archive = KeepingArchive(keep, self.archive) if keep else self.archive
        return Past(described, archive, make_fold, self.snapshots(described, keep))

    def states(self, past: Past, keep: Recording | None = None) -> States:
        """What a past's states are held against."""
        snapshots = self.snapshots(past.spec)
        return KeepingStates(keep, snapshots, past.make_fold) if keep else States(snapshots, past.make_fold)

    def written(self, stage: str, shard: int, keep: Recording | None = None) -> Written:
        """What a shard has written, by a reader of its own."""
        described, archive = self.shard_spec(stage, shard), self.new_archive()
        return KeepingWritten(keep, described, archive) if keep else Written(described, archive)

    def _code(self, stage: str) -> str:
        return fold_of(self.app, stage, b"\0" * 32)[1]

    def _operator(self, stage: str) -> bytes:
        return keys.load_public(self._spec.data.keys, keys.OPERATOR) if stage == names.GATE else b""


def demand_same_partitions(app: App, archive: LogArchive) -> None:
    """The number that the app declares isn't the one that it runs with, where that was said on a command line. Every app has
    effects, and their journal a partition a shard. Raises `BadInput`, `UnknownTopic`.
    """
    journal = names.journal_topic(app.name, names.EFFECTS)
    there = len(archive.partitions(journal))
    if there != app.partitions:
        raise BadInput(
            f"app {app.name} has {there} partitions on its Kafka, and {app.partitions} are asked for",
            where=journal,
            remedy=f"give --partitions {there}",
        )
