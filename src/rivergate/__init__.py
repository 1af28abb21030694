"""rivergate: autonomous agents on Kafka streams that learn online, propose actions, and act once a gate allows it.

Importing this package loads nothing else: each name below is fetched when it is first asked for, so that
River, Ray, LangGraph and FastAPI are imported only by the processes that use them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rivergate.agents import Agent as Agent
    from rivergate.agents import Context as Context
    from rivergate.domain.errors import RivergateError as RivergateError
    from rivergate.domain.event import Event as Event
    from rivergate.domain.event import Label as Label
    from rivergate.domain.event import Proposal as Proposal
    from rivergate.domain.event import Reason as Reason
    from rivergate.runtime.app import App as App

_HOMES = {
    "Agent": "rivergate.agents",
    "App": "rivergate.runtime.app",
    "Context": "rivergate.agents",
    "Event": "rivergate.domain.event",
    "Label": "rivergate.domain.event",
    "Proposal": "rivergate.domain.event",
    "Reason": "rivergate.domain.event",
    "RivergateError": "rivergate.domain.errors",
}

__all__ = ["Agent", "App", "Context", "Event", "Label", "Proposal", "Reason", "RivergateError"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rivergate")
    if name not in _HOMES:
        raise AttributeError(f"module 'rivergate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
