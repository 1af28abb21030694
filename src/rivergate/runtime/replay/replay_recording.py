"""Replays a recording against the present code: no broker, no data directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rivergate.domain.errors import BadInput
from rivergate.domain.signing import VerifyingKey
from rivergate.kernel.past import Past
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.runtime import keys
from rivergate.runtime.app import App
from rivergate.runtime.replay.recording import (
    RecordedStates,
    RecordedWritten,
    Recording,
    RecordingArchive,
    RecordingBlobs,
)
from rivergate.runtime.stages import fold_of


def replay_recording(app: App, recording: Recording, snapshot_key: Path | None = None) -> list[ReplayedPart]:
    """What each part of it gives under this app's code; a difference ends it, unless it is former code's alone.

    Snapshots and models get unpickled, so a recording that has any is read only with the app's public snapshot
    key (`keys/snapshots.pub` of its data directory). Raises `BadInput`, `ConfigError`, `NothingToReplay`.
    """
    if recording.snapshots and snapshot_key is None:
        raise BadInput(
            "the recording holds snapshots or models, and nothing unsigned is ever unpickled",
            remedy="give the app's public snapshot key: a copy of keys/snapshots.pub in its data directory",
        )
    key = VerifyingKey(keys.public_of(snapshot_key) if snapshot_key else b"\0" * 32)
    named = replace(app, name=recording.app)
    archive = RecordingArchive(recording)
    states = RecordedStates(recording)
    found = []
    for stage, shard, seqs in recording.parts:
        make_fold, code = fold_of(named, stage, recording.operator)
        spec = ShardSpec(named.name, stage, shard, (), code, "replay")
        past = Past(spec, archive, make_fold, SnapshotStore(RecordingBlobs(recording), spec, key))
        past.notes += [states.note] if states.note else []
        found.append(replay_commits(past, RecordedWritten(spec, archive), seqs, states=states))
        if found[-1].is_final:
            break
    return found
