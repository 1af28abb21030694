"""Records: what is read from the log, and what a stage wants written to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from rivergate.domain.names import RG_FOR

Headers = list[tuple[str, bytes]]
TopicPartition = tuple[str, int]

make_tuple = tuple.__new__
"""Makes a tuple with names in half of the time that its own class takes for it: all fields have to be given."""

BY_KEY = -1
"""Partition of an output that goes where murmur2 of its key says (Kafka's default partitioner)."""


class Position(NamedTuple):
    """Where a record stands: the name of a fact that nobody can give twice."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Inverse of `str`. Raises ValueError."""
        topic, partition, offset = text.rsplit("/", 2)
        return cls(topic, int(partition), int(offset))


class HasHeaders(Protocol):
    """A client's message, which makes its headers when they are asked for and keeps them: that takes longer than all else."""

    def headers(self) -> Headers | None:
        """Name and value, in the order they were written."""


class Record(NamedTuple):
    """A committed record as read from the log. `given` has the headers, or is what they can be had from."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    given: Headers | HasHeaders | None
    timestamp_ms: int = 0

    @property
    def headers(self) -> Headers | None:
        """Name and value of each, in order. What every event is asked looks at `given` itself, which saves 0.1 µs each."""
        given = self[5]
        return given if given is None or isinstance(given, list) else given.headers()

    def header(self, name: str) -> bytes | None:
        """The last header of that name, or None."""
        for key, value in reversed(self.headers or ()):
            if key == name:
                return value
        return None

    @property
    def ce_type(self) -> str:
        """`ce_type`, or nothing for a record that isn't a CloudEvent."""
        return (self.header("ce_type") or b"").decode(errors="replace")

    @property
    def json_object(self) -> dict[str, Any] | None:
        """The value if it is a JSON object, else None."""
        try:
            found = orjson.loads(self.value or b"")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def is_for(self, source: bytes) -> bool:
        """Whether the stage of this `ce_source` handles it: a redriven record is for the one that had set it aside.

        Every event is asked, so only the last header is looked at, which is where a redrive says it.
        """
        given = self[5]
        there = given if given is None or isinstance(given, list) else given.headers()
        last = there[-1] if there else None
        return last is None or last[0] != RG_FOR or last[1] == source or not last[1]

    @property
    def position(self) -> Position:
        """Topic, partition and offset."""
        return Position(self.topic, self.partition, self.offset)

    @property
    def event_id(self) -> str:
        """`{ce_source}#{ce_id}` if the producer gave both, else where a redriven record came from, else where it stands."""
        return self.identity()[0]

    def identity(self) -> tuple[str, bytes]:
        """The event id, and the `traceparent` (empty where there is none), in one pass over the headers."""
        given = self[5]
        there = dict((given if given is None or isinstance(given, list) else given.headers()) or ())
        source, ce_id = there.get("ce_source"), there.get("ce_id")
        trace = there.get("traceparent") or b""
        if source and ce_id:
            return (source + b"#" + ce_id).decode("utf-8", "replace"), trace
        origin = there.get("rg_origin")
        if origin:
            return origin.decode("utf-8", "replace"), trace
        return f"{self.topic}/{self.partition}/{self.offset}", trace


@dataclass(slots=True)
class Output:
    """A record that a stage wants written. The driver adds `ce_source`, `ce_time` and `rg_commit`.

    `topic` is the full name. `partition` is the cause's partition, or `BY_KEY`. `ce_type` is the full type
    (`rivergate.proposal.v1`). `value` is JSON bytes. `raw_headers`, set for dead letters alone, replaces the
    CloudEvents headers.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    ce_id: bytes = b""
    ce_type: bytes = b""
    traceparent: bytes = b""
    raw_headers: Headers | None = field(default=None)
