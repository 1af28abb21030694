"""Keyed state inside a shard, bounded by count and age."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from rivergate.domain.clock import Micros


@dataclass(slots=True)
class KeyedState:
    """A dict for each key, least recently used first. `dropped` counts what fell out."""

    limit: int
    max_age: Micros
    entries: OrderedDict[str, tuple[Micros, dict[str, Any]]] = field(default_factory=OrderedDict)
    dropped: int = 0

    def get(self, key: str, now: Micros) -> dict[str, Any]:
        """The key's dict, made empty where there is none."""
        found = self.entries.get(key)
        value = {} if found is None else found[1]
        self.entries[key] = (now, value)
        self.entries.move_to_end(key)
        if len(self.entries) > self.limit:
            self.entries.popitem(last=False)
            self.dropped += 1
        return value

    def expire(self, now: Micros) -> None:
        """Drop what wasn't used for longer than `max_age` (microseconds). Called once a batch."""
        entries = self.entries
        while entries and (now - next(iter(entries.values()))[0] > self.max_age or len(entries) > self.limit):
            entries.popitem(last=False)
            self.dropped += 1
