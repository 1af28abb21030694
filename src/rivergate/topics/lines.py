"""Lines of JSON as events: checked against what is declared for their topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from pydantic import ValidationError

from rivergate.domain.errors import BadInput
from rivergate.domain.event import Event
from rivergate.topics.json_schema import schema_problem
from rivergate.topics.near import did_you_mean

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class EventLine:
    """A line that holds: its number (from 1), its bytes as they came, its record's key, its `ce_id`."""

    number: int
    value: bytes
    key: bytes | None
    ce_id: str


@dataclass(frozen=True, slots=True)
class LineForm:
    """What a line has to be: a JSON object, and an `event` or of a `schema` where the topic has one.

    `key_field` and `id_field` name top-level fields whose text becomes the record's key and its `ce_id`; without
    them the key is the event class's, if there is one, and the id is random.
    """

    event: type[Event] | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    key_field: str = ""
    id_field: str = ""

    def read(self, number: int, raw: bytes) -> EventLine:
        """Check one line. Raises `BadInput`, which names the line, the field and the problem."""
        line = raw.strip()
        value = _object_of(number, line)
        key = None
        if self.event is not None:
            try:
                key = self.event.model_validate_json(line).key_bytes()
            except ValidationError as e:
                raise _bad(number, *_event_problem(e, value, self.event)) from e
        elif self.schema and (problem := schema_problem(self.schema, value)):
            raise _bad(number, problem, "correct the line, or the schema in the topic's file")
        if self.key_field:
            key = self._text_of(number, value, self.key_field)
        ce_id = self._text_of(number, value, self.id_field).decode() if self.id_field else str(uuid4())
        return EventLine(number, line, key, ce_id)

    def _text_of(self, number: int, value: Mapping[str, Any], name: str) -> bytes:
        found = value.get(name)
        if found is None or isinstance(found, (dict, list)) or found == "":
            problem = "is missing" if name not in value else f"is {_shown(found)}, which is no text or number"
            raise _bad(
                number, f"field {name}: {problem}", did_you_mean(name, value.keys() - {name}, "add it to the line")
            )
        return (found if isinstance(found, str) else orjson.dumps(found).decode()).encode()


def _object_of(number: int, line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as e:
        place = f"column {e.pos + 1}" if e.pos else "its begin"
        raise _bad(
            number, f"not JSON: {e.msg} at {place}", "write one JSON object a line, without line breaks in it"
        ) from e
    if not isinstance(value, dict):
        raise _bad(number, f"{_shown(value)} isn't an object", 'write one JSON object a line: {"field": …}')
    return value


def _event_problem(e: ValidationError, value: Mapping[str, Any], event: type[Event]) -> tuple[str, str]:
    errors = e.errors(include_url=False)
    first = errors[0]
    place = ".".join(map(str, first["loc"])) or "the event"
    more = f" (and {len(errors) - 1} more problems)" if len(errors) > 1 else ""
    if first["type"] == "missing":
        unknown = sorted(value.keys() - event.model_fields.keys())
        return f"field {place}: is missing{more}", did_you_mean(place, unknown, f"{event.__name__} demands it; add it")
    return (
        f"field {place}: {first['msg'][:1].lower()}{first['msg'][1:]}, not {_shown(first['input'])}{more}",
        f"correct the line; {event.__name__} declares the field",
    )


def _bad(number: int, problem: str, remedy: str) -> BadInput:
    return BadInput(problem, where=f"line {number}", remedy=remedy)


def _shown(value: Any) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
