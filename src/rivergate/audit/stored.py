"""What the audit store gives back: spans and decision records, each with the place in the log it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from rivergate.domain import names
from rivergate.domain.record import Position


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span as recorded. Ids are hex, times nanoseconds; `error` None means no error, text its message."""

    position: Position
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    error: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    events: tuple[tuple[str, int, dict[str, Any]], ...] = ()

    @property
    def proposal_ids(self) -> tuple[str, ...]:
        """Proposals that the span belongs to. Any program may write spans: what is no text names none."""
        found = self.attributes.get("rivergate.proposal.id")
        listed = found if isinstance(found, list | tuple) else (found,)
        return tuple(x for x in listed if isinstance(x, str))

    @property
    def muted(self) -> bool:
        """Whether nothing of it was sent: the shard hadn't caught up with history."""
        return self.attributes.get("rivergate.muted") is True

    @property
    def stage(self) -> str:
        """The stage without its app: `gate` for the service `shop.gate`."""
        return self.service.partition(".")[2] or self.service

    @property
    def duration_ns(self) -> int:
        """How long it took; never negative."""
        return max(0, self.end_ns - self.start_ns)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record of a decision, exact. `name` is the system topic's short name; `fault` says why it can't be read, of a
    dead letter why it was set aside.
    """

    position: Position
    name: str
    ce_type: str
    ce_time: str
    traceparent: str
    proposal_id: str
    event_id: str
    key: bytes | None
    raw: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    fault: str = ""

    @property
    def set_aside(self) -> bool:
        """Whether it is a dead letter: the copy of another record, with that one's type and value, which counts as none."""
        return self.name == names.DEAD_LETTERS

    @property
    def stage(self) -> str:
        """The stage whose commit wrote it, empty where none did."""
        return dict(self.headers).get("rg_commit", b"").decode(errors="replace").partition("/")[0]

    @property
    def value(self) -> dict[str, Any]:
        """The JSON object, empty where there is none."""
        try:
            found = orjson.loads(self.raw or b"")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Named:
    """Something that an id or the beginning of one may mean: `kind` is trace, proposal or event."""

    kind: str
    id: str
    trace_id: str = ""
