"""What `rivergate shards` says of shards, and what it refuses before it claims anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rivergate.adapters.kafka_status import ShardStatus
from rivergate.cli import shards as command
from rivergate.domain.errors import BadInput
from rivergate.runtime.lock import data_lock
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import RunningState
from rivergate.runtime.supervision import commands

WHY = "1 validation error [type=missing, input_value={}]; see [/docs/errors]"
STATES = {0: ("running", ""), 1: ("parked", WHY)}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    """The data directory of an app whose supervisor was killed; two shards of an agent have reported."""
    statuses = {
        ("agent-watcher", n): ShardStatus("agent-watcher", n, "w", state, why, "2026-03-02T09:12:44.000000Z")
        for n, (state, why) in STATES.items()
    }
    monkeypatch.setattr(command, "read_statuses", lambda *_: statuses)
    data = DataDir(tmp_path).make()
    RunningState(data, "plant", "127.0.0.1:1", "local").update(())
    return data


@pytest.fixture
def running(data: DataDir) -> Iterator[DataDir]:
    """The same while a supervisor holds it."""
    held = data_lock(data.lock_file)
    yield data
    os.close(held)


def shards(data: DataDir, *words: str) -> Result:
    """Run the command on a wide terminal."""
    whole = [*words, "--app", "plant", "--data-dir", str(data.root)]
    return CliRunner().invoke(command.shards, whole, env={"COLUMNS": "200"})


def test_a_reason_is_shown_as_it_is(data: DataDir) -> None:
    """What others wrote is no markup: nothing of it disappears, and nothing of it fails."""
    assert WHY in shards(data, "list").stdout


@pytest.mark.parametrize(
    ("shard", "what", "remedy"),
    [
        ("agent-wacher/1", "has no shard agent-wacher/1", "did you mean 'agent-watcher/1'?"),
        ("agent-watcher/0", "isn't parked: it is running", "shards list"),
    ],
)
def test_only_a_parked_shard_is_resumed(running: DataDir, shard: str, what: str, remedy: str) -> None:
    """Nothing is asked of the supervisor otherwise."""
    refused = shards(running, "resume", shard).exception
    assert isinstance(refused, BadInput)
    assert what in refused.what
    assert remedy in refused.remedy
    assert list(commands.take_resumes(running)) == []


def test_a_shard_that_parked_itself_is_resumed(running: DataDir) -> None:
    """The supervisor is asked."""
    assert shards(running, "resume", "agent-watcher/1").stdout == "agent-watcher/1 starts again\n"
    assert list(commands.take_resumes(running)) == [("agent-watcher", 1)]


def test_nobody_is_asked_where_nothing_runs(data: DataDir) -> None:
    """A killed supervisor leaves its state file, not its lock; what an operator has parked can be resumed all the same."""
    refused = shards(data, "resume", "agent-watcher/1").exception
    assert isinstance(refused, BadInput)
    assert "doesn't run on this data directory" in refused.what
    assert list(commands.take_resumes(data)) == []
    commands.park(data, "agent-watcher", 0, "why")
    assert shards(data, "resume", "agent-watcher/0").stdout == "agent-watcher/0 starts again with the app\n"
