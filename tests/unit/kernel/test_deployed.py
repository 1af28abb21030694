"""Replays over a deployment: other code went on from what a drain had left."""

from __future__ import annotations

from dataclasses import replace
from random import random

import pytest
from tests.unit.kernel.test_past import NEVER
from tests.unit.kernel.transactor_world import NEW_CODE, OLD_CODE, Put, Summing, World, run

from rivergate.agents import Context
from rivergate.agents.fold import AgentFold
from rivergate.kernel.past import Past
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.kernel.written import Written


def deployed(patch: pytest.MonkeyPatch, *, drained: bool = True) -> World:
    """Four events for the old code (commits 0 to 3), a drain (4), and four for code that counts double."""
    world = World()
    for n in range(4):
        world.put(n + 1)
    old = run(world.transactor(limits=NEVER))
    if drained:
        old.drain()
    patch.setattr(Summing, "factor", 2)
    for n in range(4):
        world.put(n + 5)
    accept = None if drained else {"who": "ada", "why": "a test"}
    run(world.transactor(code=NEW_CODE, accept=accept, limits=NEVER))
    return world


def replayed(world: World, first: int, end: int, code: str = NEW_CODE) -> ReplayedPart:
    """These commits again under the code of now."""
    spec = replace(world.spec(), code=code)
    past = Past(spec, world.broker.reader(), lambda: AgentFold(world.app, Summing), world.store(spec))
    return replay_commits(past, Written(spec, world.broker.reader()), range(first, end))


def test_behind_a_deployment_the_new_code_is_held_against_what_it_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old code decided otherwise, which stays the difference; all that the new one did is compared, and equal."""
    world = deployed(monkeypatch)
    found = replayed(world, 0, 9)
    assert found.difference is not None
    assert found.difference == found.superseded
    assert (found.difference.seq, found.code) == (0, OLD_CODE)
    assert [t.seq for t in found.told] == [0, 5, 6, 7, 8]
    assert [t.recorded == t.again for t in found.told] == [False, True, True, True, True]
    assert "goes on from the snapshot after commit 4" in found.notes[0]
    assert found.notes[1] == "what was decided from commit 5 on comes out as recorded"
    assert replayed(world, 5, 9).difference is None


def test_a_difference_behind_a_deployment_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the code isn't deterministic; what the old one decided is told beside it."""
    world = deployed(monkeypatch)
    add = Summing.on_event

    def add_by_luck(agent: Summing, event: Put, ctx: Context) -> None:
        agent.sum += round(random() * 1e9) * (event.n > 6)
        add(agent, event, ctx)

    monkeypatch.setattr(Summing, "on_event", add_by_luck)
    found = replayed(world, 0, 9)
    assert found.difference is not None
    assert found.superseded is not None
    assert (found.superseded.seq, found.difference.seq, found.code) == (0, 7, NEW_CODE)


def test_what_was_not_asked_for_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment is behind the newest commit of the question."""
    found = replayed(deployed(monkeypatch), 0, 4)
    assert found.difference is not None
    assert (found.difference.seq, found.superseded, found.commits) == (0, None, 1)


def test_code_that_was_accepted_went_on_from_nothing_that_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the first difference ends it, as without a deployment."""
    found = replayed(deployed(monkeypatch, drained=False), 0, 8)
    assert found.difference is not None
    assert (found.difference.seq, found.superseded, found.commits) == (0, None, 1)


def test_a_difference_under_the_present_code_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't explained by a deployment: the code that decided then decides otherwise now."""
    found = replayed(deployed(monkeypatch), 0, 9, OLD_CODE)
    assert found.difference is not None
    assert (found.difference.seq, found.superseded, found.commits) == (0, None, 1)
