from __future__ import annotations

from typing import Any

import pytest
from tests.unit.web.conftest import World

from rivergate.runtime.asking_live import NotLive
from rivergate.web.live_agents import LiveAgents

STATE = "/api/v1/agents/watcher/shards/1/state"


def answer(stage: str, shard: int, *, event: str | None = None, event_class: str | None = None) -> dict[str, Any]:
    """Repeats the question."""
    return {"stage": stage, "shard": shard, "event": event, "class": event_class}


def silent(_stage: str, _shard: int) -> dict[str, Any]:
    """A shard that recovers."""
    raise NotLive("agent-watcher/1 didn't answer within 10 s", remedy="see `rivergate shards list`")


@pytest.fixture
def asked(world: World) -> World:
    """A site whose app has one agent with two shards."""
    world.site.agents = LiveAgents({"watcher": 2}, answer)
    return world


def test_a_program_asks_a_shard(asked: World) -> None:
    """Which there are, what one knows, what it would do."""
    program = asked.program()
    assert program.get("/api/v1/agents").json() == {"watcher": 2}
    assert program.get(STATE).json() == {"stage": "agent-watcher", "shard": 1, "event": None, "class": None}
    told = program.post(STATE.replace("state", "predict"), json={"event": {"n": 1}, "event_class": "Put"})
    assert told.json() == {"stage": "agent-watcher", "shard": 1, "event": '{"n":1}', "class": "Put"}


@pytest.mark.parametrize(
    ("path", "message", "remedy"),
    [
        (STATE.replace("watcher", "nobody"), "no agent 'nobody'", "the agents are: watcher"),
        (STATE.replace("/1/", "/2/"), "no shard 2", "0 to 1"),
        (STATE.replace("/1/", "/x/"), "shard", "openapi"),
    ],
)
def test_what_there_is_not_is_said(asked: World, path: str, message: str, remedy: str) -> None:
    """With what there is."""
    found = asked.program().get(path)
    assert found.status_code == 422
    assert message in found.json()["error"]["message"]
    assert remedy in found.json()["error"]["remedy"]


def test_a_shard_that_does_not_answer_may_do_so_later(world: World) -> None:
    """503, which clients try again."""
    world.site.agents = LiveAgents({"watcher": 2}, silent)
    assert world.program().get(STATE).status_code == 503


def test_nobody_asks_without_the_token(asked: World) -> None:
    """State holds what customers' events taught."""
    assert asked.program("x" * 43).get(STATE).status_code == 401
    assert asked.browser().get(STATE).status_code == 401
