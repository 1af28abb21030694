"""How an agent takes over what somebody else has learnt."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rivergate.domain.errors import BadInput

if TYPE_CHECKING:
    from rivergate.agents.agent import Agent


def adopt(agent: Agent, content: bytes) -> None:
    """Unpickle a model, and give it to the agent's `adopt`. Only for bytes whose signature was checked. Raises `BadInput`."""
    name = type(agent).__qualname__
    try:
        model = pickle.loads(content)  # noqa: S301 - signed on import, checked by the caller
    except Exception as e:
        raise BadInput(
            f"the model can't be unpickled where {name} runs: {e!r}",
            remedy="install what it was made with; `rivergate models show` says what that is",
        ) from e
    try:
        agent.adopt(model)
    except BadInput:
        raise
    except Exception as e:
        raise BadInput(
            f"`adopt` of agent {name} failed on {make_of(model)}: {type(e).__name__}: {e}",
            remedy=f"mend it, see it work with `AgentTest({name}, model=…)`, and start again",
        ) from e


def take_over(agent: Agent, model: Any) -> None:
    """What `Agent.adopt` does unless an agent says otherwise. Raises `BadInput`."""
    if type(model) is type(agent):
        vars(agent).update(vars(model))
        return
    name = type(agent).__qualname__
    own = vars(agent).get("model")
    if own is None or make_of(own) != make_of(model):
        wanted = f"a {name}" if own is None else f"{make_of(own)} or a {name}"
        raise BadInput(
            f"agent {name} can take over {wanted}, and was given {make_of(model)}",
            remedy=f"import one of that make, or write `def adopt(self, model)` in {name}",
        )
    vars(agent)["model"] = model


def make_of(model: Any) -> str:
    """The class of a model, and of each step of a pipeline."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, Mapping):
        return " | ".join(make_of(step) for step in steps.values())
    return f"{type(model).__module__}.{type(model).__qualname__}"
