"""How new agents begin, at a start that doesn't say so any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivergate.domain.errors import ConfigError, RivergateError
from rivergate.kernel.shard import ShardSpec
from rivergate.runtime import session
from rivergate.runtime.paths import DataDir
from rivergate.runtime.session import RunOptions, running
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.stages import shard_spec

WATCHER = "agent-watcher"


class Supervisor:
    """Ends as soon as it is told what to run."""

    told: ProcessSpec

    def __init__(self, spec: ProcessSpec) -> None:
        Supervisor.told = spec
        raise RivergateError("ended early")


@pytest.fixture(autouse=True)
def _ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shard makes its first commit."""
    monkeypatch.setattr(session, "LocalProcess", Supervisor)


def started(folder: Path, stage: str = WATCHER, **said: Any) -> ShardSpec:
    """What a shard of the stage is told at this start."""
    options = RunOptions(AppRef("plant:app", "plant", 2), folder, "localhost:1", **said)
    with pytest.raises(RivergateError, match="ended early"), running(options):
        pass
    return shard_spec(replace(Supervisor.told, stage=stage), 1, (), "c" * 64)


def test_a_shard_that_begins_later_begins_as_the_first_start_said(tmp_path: Path) -> None:
    """With history, and with the model; agents of which nothing was said begin as ever."""
    first = started(tmp_path, begin={WATCHER: "beginning"}, models={WATCHER: "d" * 64})
    later = started(tmp_path)
    assert (first.begin, first.model) == (later.begin, later.model) == ("beginning", "d" * 64)
    other = started(tmp_path, "agent-other")
    assert (other.begin, other.model) == (None, None)


def test_the_newest_word_of_each_option_and_agent_holds(tmp_path: Path) -> None:
    """A model that can't be adopted is so put right; what a start says of others is kept."""
    started(tmp_path, begin={WATCHER: "beginning", "agent-other": "beginning"}, models={WATCHER: "d" * 64})
    started(tmp_path, models={WATCHER: "e" * 64})
    later = started(tmp_path)
    assert (later.begin, later.model) == ("beginning", "e" * 64)
    assert started(tmp_path, "agent-other").begin == "beginning"


def test_where_nothing_is_said_nothing_is_noted(tmp_path: Path) -> None:
    """And a file that says nothing is an error with a remedy."""
    assert started(tmp_path).begin is None
    noted = DataDir(tmp_path).beginnings_file
    assert not noted.exists()
    noted.write_text("[]")
    options = RunOptions(AppRef("plant:app", "plant", 2), tmp_path, "localhost:1")
    with pytest.raises(ConfigError, match=r"beginnings\.json: can't be read") as refused, running(options):
        pass
    assert "--from" in refused.value.remedy
