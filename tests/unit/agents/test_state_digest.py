from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
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
fold.state.memory.events["/a#1"] = ({"keys": {f"key-{n}" for n in range(50)}}, True, 5)
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


def remembering(features: Any, keep: Callable[[AgentFold, Any], None] = lambda fold, features: None) -> AgentFold:
    """A fold that remembers these features under one event's id."""
    fold = AgentFold("plant", Keeper)
    fold.state.memory.events["/a#1"] = (features, True, 5)
    keep(fold, features)
    return fold


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1.0}, {"a": 2.0}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}),
        ({"a": None}, {}),
        ({"a": {1, 2}}, {"a": {1, 3}}),
    ],
)
def test_what_is_remembered_counts(one: Any, two: Any) -> None:
    """Down to its types and its order."""
    assert remembering(one).digest() != remembering(two).digest()


@pytest.mark.parametrize("features", [{"ab": 1.5, "text": "ab"}, {"ab": {"x", "y"}}, ["ab"]])
def test_equal_memories_have_one_digest_whichever_objects_they_are(features: Any) -> None:
    """After a restore, equal text is another object or the same one."""
    always = remembering(features)
    restored = AgentFold("plant", Keeper)
    restored.load(always.dump())
    for fold in (always, restored):
        fold.state.memory.events["/a#2"] = ({"ab": 1.5}, "ab", 5)
    assert always.digest() == restored.digest()


def keep_in_agent(fold: AgentFold, features: Any) -> None:
    """Written before what is remembered."""
    fold.state.agent.kept = [features]


def keep_in_keyed(fold: AgentFold, features: Any) -> None:
    """Written after it."""
    fold.state.keyed.get("k", 5)["x"] = features


def keep_in_memory(fold: AgentFold, features: Any) -> None:
    """Written with it."""
    fold.state.memory.events["/a#2"] = (features, True, 5)


@pytest.mark.parametrize("keep", [keep_in_agent, keep_in_keyed, keep_in_memory])
def test_features_that_stand_elsewhere_too_are_told_from_equal_ones(keep: Callable[[AgentFold, Any], None]) -> None:
    """As any other thing that can be changed in one place and seen in another."""
    shared = remembering({"a": 1.0}, keep)
    apart = remembering({"a": 1.0}, lambda fold, features: keep(fold, dict(features)))
    assert shared.digest() != apart.digest()


def test_what_was_remembered_by_name_before_is_read_as_a_bare_tuple() -> None:
    """So a snapshot that was made before is loaded, and equals one that is made now."""
    written = b"\x80\x02crivergate.agents.memory\nRemembered\nK\x01K\x02K\x03\x87\x81."
    found = pickle.loads(written)
    assert (type(found), found) == (tuple, (1, 2, 3))
