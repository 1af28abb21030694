"""The API about agents under `/api/v1/agents`: what their shards know now. It reads, and changes nothing."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from rivergate.web.api import TheSite, reviewer
from rivergate.web.credentials import API_PREFIX


class EventIn(BaseModel):
    """An event's fields; `event_class` is needed where the agent consumes several."""

    model_config = ConfigDict(extra="forbid")

    event: dict[str, Any]
    event_class: str | None = None


router = APIRouter(prefix=f"{API_PREFIX}/agents", dependencies=[Depends(reviewer)])


@router.get("")
def agents(site: TheSite) -> dict[str, int]:
    """How many shards each agent has."""
    return dict(site.agents.shards)


@router.get("/{agent}/shards/{shard}/state")
def state(agent: str, shard: int, site: TheSite) -> dict[str, Any]:
    """What a shard knows now: models with their parameters and figures, memory, timers, keyed state."""
    return site.agents.state(agent, shard)


@router.post("/{agent}/shards/{shard}/predict")
def predict(agent: str, shard: int, asked: EventIn, site: TheSite) -> dict[str, Any]:
    """What the shard would do about an event now. It is folded on a copy of the state and written nowhere."""
    return site.agents.predict(agent, shard, orjson.dumps(asked.event).decode(), asked.event_class)
