"""A committed record as a stranger reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Partition = tuple[str, int]


@dataclass(frozen=True)
class Line:
    """One record. `appended_ms` is the broker's time of it, where the topic keeps that (LogAppendTime)."""

    topic: str
    partition: int
    offset: int
    key: bytes = b""
    value: bytes = b""
    headers: dict[str, bytes] = field(default_factory=dict)
    appended_ms: int | None = None

    @property
    def where(self) -> str:
        """`topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> str:
        """A header as text; empty where there is none."""
        return self.headers.get(name, b"").decode(errors="replace")

    @property
    def kind(self) -> str:
        """`ce_type`."""
        return self.header("ce_type")

    @property
    def event_id(self) -> str:
        """The id that the contract gives the record."""
        source, ce_id = self.header("ce_source"), self.header("ce_id")
        return f"{source}#{ce_id}" if source and ce_id else self.header("rg_origin") or self.where

    @property
    def commit(self) -> str:
        """`stage/shard/seq` of the commit that wrote it; empty where none says so."""
        return self.header("rg_commit").rpartition("/")[0]

    @property
    def trace(self) -> str:
        """Trace id of its `traceparent`."""
        parts = self.header("traceparent").split("-")
        return parts[1] if len(parts) == 4 else ""

    @property
    def span(self) -> str:
        """Span id of its `traceparent`."""
        parts = self.header("traceparent").split("-")
        return parts[2] if len(parts) == 4 else ""

    @cached_property
    def json(self) -> dict[str, Any] | None:
        """The value if it is a JSON object."""
        try:
            found = json.loads(self.value)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def get(self, name: str, default: Any = None) -> Any:
        """A field of the value."""
        return (self.json or {}).get(name, default)
