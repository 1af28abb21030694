"""A shard's state as JSON: the agent's own attributes, what it remembers, its timers and keyed state."""

from __future__ import annotations

from typing import Any

from rivergate.agents.fold import AgentFold
from rivergate.agents.keyed import KeyedState
from rivergate.agents.memory import Memory
from rivergate.agents.timers import Timers
from rivergate.domain.clock import Micros, rfc3339
from rivergate.learning import described

_MOST_TIMERS = 50


def state_report(fold: AgentFold, clock: Micros, *, whole: bool = True) -> dict[str, Any]:
    """`digest` and `bytes` of the state where the `whole` of it is looked at, `attributes` of the agent (models with what
    they have fitted, figures beside their baseline), `memory`, `timers`, `keyed`; ages in seconds by the shard's clock.
    """
    state = fold.state
    return ({"digest": fold.digest(), "bytes": len(fold.dump())} if whole else {}) | {
        "attributes": {name: described(value) for name, value in sorted(vars(state.agent).items())},
        "memory": _memory(state.memory, clock),
        "timers": _timers(state.timers),
        "keyed": _keyed(state.keyed, clock),
    }


def _memory(memory: Memory, clock: Micros) -> dict[str, Any]:
    waiting = memory.events.values()
    return {
        "waiting": len(waiting),
        "oldest_s": (clock - next(iter(waiting))[2]) / 1e6 if waiting else None,
        "labelled": len(memory.labelled),
        "limit": memory.limit,
        "max_age_s": memory.max_age / 1e6,
        "forgotten": memory.forgotten,
        "early_labels": len(memory.early),
        "early_limit": memory.early_limit,
        "expired_labels": memory.expired_labels,
        "repeated_labels": memory.repeated,
    }


def _timers(timers: Timers) -> dict[str, Any]:
    pending = sorted((due, name, cause.subject) for name, (due, cause) in timers.pending.items())
    first = [{"name": name, "due": rfc3339(due), "event_id": subject} for due, name, subject in pending[:_MOST_TIMERS]]
    return {"pending": len(pending), "next": first}


def _keyed(keyed: KeyedState, clock: Micros) -> dict[str, Any]:
    oldest = next(iter(keyed.entries.values()), None)
    return {
        "entries": len(keyed.entries),
        "oldest_s": None if oldest is None else (clock - oldest[0]) / 1e6,
        "limit": keyed.limit,
        "max_age_s": keyed.max_age / 1e6,
        "dropped": keyed.dropped,
    }
