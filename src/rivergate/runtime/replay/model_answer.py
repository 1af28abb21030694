"""What `rivergate models import` asks of a process of its own: whether a pickle loads, and what it is. User code runs there.

It asks for {"file", "is_state", "attribute", "into"}: `file` holds a pickle, that of a shard's state where `is_state`.
Of a state the agent alone is taken, or one `attribute` of it, and written to `into`. The answer is {"make"}.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from rivergate.agents.adopting import make_of
from rivergate.agents.shard_state import ShardState, digest_of, dumped
from rivergate.domain.errors import BadInput
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec


def answer(_spec: ProcessSpec, ask: dict[str, Any], _tell: Tell) -> dict[str, Any]:
    """As the module's docstring says. Raises `BadInput`, `SnapshotCorrupt`."""
    content = Path(ask["file"]).read_bytes()
    if ask["is_state"]:
        content = dumped(_of_state(content, ask["attribute"]))
        Path(ask["into"]).write_bytes(content)
    model = _loaded(content)
    _demand_lasting(model, content)
    return {"make": make_of(model)}


def _of_state(content: bytes, attribute: str | None) -> Any:
    agent = ShardState.load(content).agent
    if attribute is None:
        return agent
    try:
        return vars(agent)[attribute]
    except KeyError as e:
        raise BadInput(
            f"agent {type(agent).__qualname__} has no attribute {attribute!r} in this snapshot",
            remedy=f"it has {', '.join(sorted(vars(agent)))}",
        ) from e


def _loaded(content: bytes) -> Any:
    try:
        return pickle.loads(content)  # noqa: S301 - whoever imports it vouches for it; this process has nothing to lose
    except Exception as e:
        raise BadInput(
            f"it can't be unpickled here: {e!r}",
            remedy="give a file that `pickle.dump` wrote, and install the versions of River, NumPy and of your own "
            "classes that it was made with",
        ) from e


def _demand_lasting(model: Any, content: bytes) -> None:
    """Every shard and every replay loads it anew, and then it goes into snapshots, and out of them."""
    again = _loaded(content)
    try:
        same = digest_of(model) == digest_of(again) == digest_of(pickle.loads(dumped(again)))  # noqa: S301 - our own bytes
    except Exception as e:
        raise BadInput(
            f"a {make_of(model)} can't be put into a snapshot: {e!r}",
            remedy="keep no open files, locks or lambdas in it, and define its class at the top of a module",
        ) from e
    if not same:
        raise BadInput(
            f"this {make_of(model)} is another one each time it is loaded, so replays would differ",
            remedy="look at its `__reduce__` and `__setstate__`: nothing in it may be random, of the time, or from outside",
        )
