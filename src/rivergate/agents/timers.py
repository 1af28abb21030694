"""Timers of a shard: deadlines are state, fired in order of (deadline, name)."""

from __future__ import annotations

from dataclasses import dataclass, field

from rivergate.agents.cause import Cause
from rivergate.domain.clock import Micros


@dataclass(slots=True)
class Timers:
    """Pending timers by name; each keeps the cause that set it, which its own outputs descend from."""

    pending: dict[str, tuple[Micros, Cause]] = field(default_factory=dict)

    def set(self, name: str, due: Micros, cause: Cause) -> None:
        """Set or move a timer."""
        event_id = f"{cause.subject}!timer/{name}/{due}"
        own = Cause(event_id, cause.subject, cause.topic, cause.partition, cause.offset, cause.key, cause.traceparent)
        self.pending[name] = (due, own)

    def cancel(self, name: str) -> None:
        """Forget a timer."""
        self.pending.pop(name, None)

    def next_deadline(self) -> Micros | None:
        """When the earliest timer is due."""
        return min((due for due, _ in self.pending.values()), default=None)

    def take_due(self, now: Micros) -> list[tuple[str, Cause]]:
        """Remove and return the timers that are due, earliest first."""
        due = sorted((at, name) for name, (at, _) in self.pending.items() if at <= now)
        return [(name, self.pending.pop(name)[1]) for _, name in due]
