"""Asking what an agent's shard knows now; `live_state.py` answers."""

from __future__ import annotations

import json
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from rivergate.domain.errors import BadInput, RivergateError
from rivergate.runtime.paths import DataDir

ANSWER_S = 10.0
"""How long a question waits for the shard, which may be folding a large batch."""
REMEDY = "see what it is doing with `rivergate shards list`; the state of any time past: `rivergate state`"


class NotLive(RivergateError):
    """The shard runs nowhere that can be asked, or it doesn't answer."""

    retryable = True


def door_of(data: DataDir, stage: str, shard: int) -> Path:
    """The file that says where a shard can be asked, and with which key: {host, port, key in hex}."""
    return data.live / f"{stage}.{shard}.json"


def ask_live(
    data: DataDir, stage: str, shard: int, *, event: str | None = None, event_class: str | None = None
) -> dict[str, Any]:
    """What a shard knows now, as `state_report` has it without digest and size, or with an `event` (its fields as JSON)
    what the agent would have done about it, as `predict` has it. Raises `NotLive`, `BadInput`.
    """
    try:
        door = json.loads(door_of(data, stage, shard).read_text())
        key = bytes.fromhex(door["key"])
        with Client((door["host"], door["port"])) as connection:
            if not connection.poll(ANSWER_S):  # a stopped worker, or another program on its port
                raise TimeoutError
            answer_challenge(connection, key)
            deliver_challenge(connection, key)
            connection.send_bytes(json.dumps({"shard": shard, "event": event, "event_class": event_class}).encode())
            if not connection.poll(ANSWER_S + 1):
                raise TimeoutError
            told: dict[str, Any] = json.loads(connection.recv_bytes())
    except (OSError, EOFError, ValueError, KeyError, AuthenticationError) as e:  # TimeoutError is an OSError
        raise NotLive(f"{stage}/{shard} doesn't run here, or can't be asked", remedy=REMEDY) from e
    if "error" not in told:
        return told
    error = BadInput if told["bad"] else NotLive
    raise error(told["error"], remedy=told["remedy"])
