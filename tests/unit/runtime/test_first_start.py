"""Whose reports say that an app is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rivergate.adapters.kafka_status import ShardStatus
from rivergate.domain.errors import ShardParked
from rivergate.runtime.paths import DataDir
from rivergate.runtime.supervision import first_start
from rivergate.runtime.supervision.first_start import Bootstrap
from rivergate.runtime.supervision.plan import Slot

PAST, FUTURE = "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
SLOT = Slot("agent-x-0", "agent", "agent-x", (0, 1))


class World:
    """A start, and the newest report of each shard on its topic."""

    def __init__(self, folder: Path) -> None:
        self.found: dict[tuple[str, int], ShardStatus] = {}
        app: Any = SimpleNamespace(name="a")
        self.bootstrap = Bootstrap(app, DataDir(folder).make(), "h:1", [SLOT])
        self.bootstrap.is_ours = {"ours"}.__contains__
        self.journal_ends = {0: 0, 1: 0}

    def tail(self, *_: str) -> Any:
        """A reader that knows where the journals end."""
        return SimpleNamespace(watermarks=lambda tp: (0, self.journal_ends[tp[1]]), close=lambda: None)

    def report(self, worker: str, state: str, at: str, *shards: int) -> None:
        """A worker reports, by its own clock."""
        for shard in shards:
            self.found["agent-x", shard] = ShardStatus("agent-x", shard, worker, state, "no model\n→ bring it", at)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing has been reported."""
    found = World(tmp_path)
    monkeypatch.setattr(first_start, "KafkaTail", found.tail)
    monkeypatch.setattr(first_start, "StatusFollower", lambda *_: SimpleNamespace(read=lambda: found.found))
    return found


@pytest.mark.parametrize("at", [PAST, FUTURE])
def test_a_worker_of_ours_counts_whatever_its_clock_says(world: World, at: str) -> None:
    """It may be on a machine that is behind."""
    world.report("ours", "running", at, 0)
    assert not world.bootstrap.is_ready()
    world.report("ours", "running", at, 1)
    assert world.bootstrap.is_ready()


@pytest.mark.parametrize("at", [PAST, FUTURE])
def test_a_worker_of_a_former_supervisor_never_counts(world: World, at: str) -> None:
    """Neither as one that runs, nor as one that is parked."""
    world.report("ours", "running", PAST, 0)
    world.report("theirs", "running", at, 1)
    assert not world.bootstrap.is_ready()
    world.report("theirs", "parked", at, 0, 1)
    assert not world.bootstrap.is_ready()
    assert world.bootstrap.reports() == {}


def test_a_stage_of_ours_that_never_worked_and_is_parked_ends_the_start(world: World) -> None:
    """With what it said: it was set up wrongly."""
    world.report("ours", "parked", PAST, 0, 1)
    with pytest.raises(ShardParked, match="nothing of agent-x runs: no model\n→ bring it"):
        world.bootstrap.is_ready()


def test_a_stage_that_has_worked_before_leaves_the_others_running(world: World) -> None:
    """Its shards parked while they recovered, as they might have an hour later: nothing else has to stand still for it."""
    world.journal_ends = {0: 0, 1: 12}
    world.report("ours", "parked", PAST, 0)
    assert not world.bootstrap.is_ready()
    world.report("ours", "parked", PAST, 1)
    assert world.bootstrap.is_ready()
