"""What a run in an actor says of itself, and what a start says that comes to nothing, with a Ray of the test's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rivergate.adapters.ray_host import RayCluster, RayProcess
from rivergate.domain.errors import StartRefused


class UnavailableError(Exception):
    """Ray makes the actor anew."""


class DiedError(Exception):
    """The actor was killed for good."""


class Calls:
    """Ray, and an actor whose calls come to what the test has them come to; one that isn't named still runs."""

    exceptions = SimpleNamespace(ActorUnavailableError=UnavailableError, ActorDiedError=DiedError)

    def __init__(self, **outcomes: Any) -> None:
        self._outcomes = outcomes

    def __getattr__(self, method: str) -> Any:
        """A method of the actor: its answer is its name."""
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda *_: method))

    def wait(self, answers: list[str], timeout: float) -> tuple[list[str], list[str]]:
        """Those that have ended, at once."""
        assert timeout == 0
        return [a for a in answers if a in self._outcomes], []

    def get(self, answer: str) -> Any:
        """What it came to."""
        outcome = self._outcomes[answer]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(
    ("outcomes", "never_began"),
    [
        ({"make_way": UnavailableError(), "run": UnavailableError()}, True),
        ({"make_way": UnavailableError(), "run": RuntimeError("its argument failed")}, True),
        ({"make_way": "x", "run": UnavailableError()}, False),  # it was there, and died
        ({"make_way": DiedError(), "run": DiedError()}, False),
        ({"make_way": "x", "run": "ended"}, False),
        ({}, False),
    ],
)
def test_a_run_that_reached_no_actor_never_began(outcomes: dict[str, Any], never_began: bool) -> None:
    """Ray lets calls fail while it makes an actor anew."""
    ray = Calls(**outcomes)
    process = RayProcess(ray, ray, "x", "m:f", "{}", here=False)
    assert process.never_began() is never_began
    assert process.alive() is ("run" not in outcomes)


def test_a_ray_that_makes_no_actor_refuses_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its head may be away for a while; what it raises then isn't always an error of its own."""

    def away(**_: Any) -> None:
        raise ConnectionError("the head is away")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=lambda **_: None, remote=away))
    cluster = RayCluster("test")
    with pytest.raises(StartRefused, match="the head is away"):
        cluster.start("a", "a-1", "m:f", "{}", tmp_path / "log", {})
