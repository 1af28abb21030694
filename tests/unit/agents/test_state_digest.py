from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from rivergate.agents import Agent
from rivergate.agents.fold import AgentFold
from rivergate.domain.event import Event


class Seen(Event, topic="seen", key="name"):
    name: str


class Keeper(Agent):
    """Keeps whatever it is given."""

    consumes = (Seen,)

    def __init__(self) -> None:
        self.kept: list[Any] = []


CONSTANT = ("a", 1.5)
AS_A_SET = """
from tests.unit.agents.test_state_digest import Keeper
from rivergate.agents.fold import AgentFold
fold = AgentFold("plant", Keeper)
fold.state.agent.kept = [{f"key-{n}" for n in range(50)}, frozenset({("x", "y"), ("z", "y")})]
print(fold.digest())
"""


@pytest.mark.parametrize("value", [CONSTANT, frozenset(CONSTANT), "text", b"bytes"])
def test_a_restored_state_that_goes_on_equals_one_that_never_stopped(value: Any) -> None:
    """A constant of the code is one object in the one and two in the other, which is no difference of the states."""
    always, restored = AgentFold("plant", Keeper), AgentFold("plant", Keeper)
    always.state.agent.kept.append(value)
    restored.load(always.dump())
    for fold in (always, restored):
        fold.state.agent.kept.append(value)
    assert always.digest() == restored.digest()


def test_sets_have_one_digest_in_every_process() -> None:
    """Their order depends on the seed of Python's hashes and on what was in them before."""
    seeds = ("1", "2")
    runs = [
        subprocess.run(
            [sys.executable, "-c", AS_A_SET],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed in seeds
    ]
    assert runs[0].stdout == runs[1].stdout


def test_what_may_be_changed_in_one_place_and_seen_in_another_counts() -> None:
    """One list twice isn't two lists: the next append tells them apart."""
    one, two = AgentFold("plant", Keeper), AgentFold("plant", Keeper)
    shared: list[int] = []
    one.state.agent.kept = [shared, shared]
    two.state.agent.kept = [[], []]
    assert one.digest() != two.digest()
