"""A span as a plain noun; `audit.otlp` turns it into OTLP bytes, and only where it is going to be written."""

from __future__ import annotations

from dataclasses import dataclass, field

AttributeValue = str | int | float | bool | list[str]

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
"""OTLP span kinds."""


@dataclass(slots=True)
class Span:
    """One finished span. Ids are hex (32 and 16 digits); times are nanoseconds since the epoch.

    `error` empty means that the status is unset. `links` are (trace id, span id). `events` are (name, time,
    attributes).
    """

    name: str
    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    parent_id: str = ""
    kind: int = INTERNAL
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    events: list[tuple[str, int, dict[str, AttributeValue]]] = field(default_factory=list)
    error: str = ""
