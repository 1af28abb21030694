"""How a process ended, told to whoever started it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import AlreadyRunning, BrokerUnavailable, ConfigError, RivergateError, ShardParked
from rivergate.gate.policy.errors import Place, PolicyError
from rivergate.runtime.endings import leave_ending, take_ending
from rivergate.runtime.lock import data_lock, demand_unlocked
from rivergate.runtime.paths import DataDir


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (ConfigError("wrong", where="here", remedy="mend it"), True),
        (AlreadyRunning("twice", remedy="stop one"), True),
        (ShardParked("parked", remedy="mend it"), True),
        (BrokerUnavailable("away", where="h:1", remedy="wait"), False),
        (RivergateError("a fault"), False),
    ],
)
def test_an_ending_is_told_once_and_whole(tmp_path: Path, error: RivergateError, final: bool) -> None:
    """Kind, words, place and remedy survive; `final` says that the same again would end the same way."""
    data = DataDir(tmp_path)
    leave_ending(data, "gate-0-x", error)
    found = take_ending(data, "gate-0-x")
    assert found is not None
    told, was_final = found
    assert (type(told), told.what, told.where, told.remedy) == (type(error), error.what, error.where, error.remedy)
    assert was_final is final
    assert take_ending(data, "gate-0-x") is None


def test_an_error_of_another_layer_is_told_as_what_it_is_a_kind_of(tmp_path: Path) -> None:
    """A policy's error is a mistake in what the app says, with its place."""
    leave_ending(DataDir(tmp_path), "s", PolicyError("no such field", Place("p.yaml", 3, 7), remedy="write n"))
    found = take_ending(DataDir(tmp_path), "s")
    assert found is not None
    assert isinstance(found[0], ConfigError)
    assert (found[0].where, found[1]) == ("p.yaml:3:7", True)


def test_half_an_ending_is_none(tmp_path: Path) -> None:
    """What can't be read is as if it weren't there."""
    (tmp_path / "endings").mkdir()
    (tmp_path / "endings" / "s.json").write_text('{"kind": "ConfigErr')
    assert take_ending(DataDir(tmp_path), "s") is None


def test_a_data_directory_has_one_supervisor(tmp_path: Path) -> None:
    """The second is told who holds it, and what to do."""
    lock = tmp_path / "supervisor.lock"
    demand_unlocked(lock)
    data_lock(lock)
    with pytest.raises(AlreadyRunning, match=r"already \(process \d+\)") as caught:
        demand_unlocked(lock)
    assert "--data-dir" in caught.value.remedy
