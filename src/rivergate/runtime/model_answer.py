"""What `rivergate models import` asks of a process of its own: whether a pickle loads, and what it is. User code runs there.

It asks for {"file", "is_state", "attribute", "into"}: `file` holds a pickle, that of a shard's state where `is_state`.
Of a state the agent alone is taken, or one `attribute` of it, and written to `into`. The answer is {"make", "versions"}.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from rivergate.agents.adopting import make_of
from rivergate.agents.shard_state import ShardState, digest_of, dumped
from rivergate.domain.errors import BadInput
from rivergate.runtime.code import versions
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec


def answer(_spec: ProcessSpec, ask: dict[str, Any], _tell: Tell) -> dict[str, Any]:
    """As the module's docstring says. Raises `BadInput`, `SnapshotCorrupt`."""
    content = Path(ask["file"]).read_bytes()
    if ask["is_state"]:
        model = _of_state(content, ask["attribute"])
        Path(ask["into"]).write_bytes(dumped(model))
    else:
        model = _loaded(content)
    _demand_lasting(model)
    return {"make": make_of(model), "versions": versions()}


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


def _demand_lasting(model: Any) -> None:
    """It will go into snapshots, and out of them."""
    try:
        again = pickle.loads(dumped(model))  # noqa: S301 - our own bytes
        same = digest_of(model) == digest_of(again)
    except Exception as e:
        raise BadInput(
            f"a {make_of(model)} can't be put into a snapshot: {e!r}",
            remedy="keep no open files, locks or lambdas in it, and define its class at the top of a module",
        ) from e
    if not same:
        raise BadInput(
            f"a {make_of(model)} comes out of a snapshot as another one, so replays would differ",
            remedy="look at its `__reduce__` or `__getstate__`: nothing in it may be random or of the time",
        )
