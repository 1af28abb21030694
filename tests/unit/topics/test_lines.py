from __future__ import annotations

import pytest
from pydantic import FiniteFloat

from rivergate.domain.errors import BadInput
from rivergate.domain.event import Event
from rivergate.topics.lines import LineForm


class Reading(Event, topic="telemetry", key="line"):
    """What a line of machines says."""

    line: str
    sensors: dict[str, FiniteFloat]


EVENT = LineForm(event=Reading)
SCHEMA = LineForm(
    schema={"type": "object", "properties": {"sensors": {"items": {"type": "number"}}}, "required": ["line"]}
)


def problem(form: LineForm, raw: bytes) -> str:
    """What is said of a line that doesn't hold."""
    with pytest.raises(BadInput) as caught:
        form.read(7, raw)
    assert caught.value.where == "line 7"
    assert caught.value.remedy
    return f"{caught.value.what} → {caught.value.remedy}"


def test_a_line_that_holds_keeps_its_bytes_and_gets_its_key() -> None:
    """Fields that the class lacks stay in the record; the key is the class's."""
    line = EVENT.read(1, b'{"line":"a", "sensors": {"x": 1}, "more": 1}\n')
    assert line.value == b'{"line":"a", "sensors": {"x": 1}, "more": 1}'
    assert line.key == b"a"


def test_ids_are_random_unless_a_field_names_them() -> None:
    """Two equal lines are two events, unless the producer says what makes them one."""
    raw = b'{"line":"a","sensors":{},"id":12}'
    assert EVENT.read(1, raw).ce_id != EVENT.read(1, raw).ce_id
    assert LineForm(event=Reading, id_field="id").read(1, raw).ce_id == "12"


def test_a_named_field_becomes_the_key() -> None:
    """Text stays as it is, a number gets its JSON form."""
    assert LineForm(key_field="id").read(1, b'{"id": 12}').key == b"12"
    assert (
        LineForm(event=Reading, key_field="zone").read(1, b'{"line":"a","sensors":{},"zone":"\xc3\xb6"}').key
        == "ö".encode()
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{oops", "not JSON: "),
        (b'{"line": NaN}', "not JSON: "),
        (b"\xff\xfe", "not JSON: "),
        (b"[1, 2]", "[1,2] isn't an object"),
        (b"3", "3 isn't an object"),
    ],
)
def test_what_is_no_json_object_is_named(raw: bytes, said: str) -> None:
    """The syntax comes first, whatever else is declared."""
    assert said in problem(LineForm(), raw)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"line":"a"}', "field sensors: is missing"),
        (b'{"lin":"a","sensors":{}}', "field line: is missing → did you mean 'lin'?"),
        (
            b'{"line":"a","sensors":{"x":"hot"}}',
            "field sensors.x: input should be a valid number, unable to parse string",
        ),
        (b'{"line":null,"sensors":3}', "and 1 more problems"),
    ],
)
def test_an_event_that_does_not_hold_names_the_field(raw: bytes, said: str) -> None:
    """The field, what is wrong with it, and what was there."""
    assert said in problem(EVENT, raw)


def test_a_json_schema_names_the_field_too() -> None:
    """Topics without an event class may declare a schema in their file."""
    assert "field sensors.1: 'hot' is not of type 'number'" in problem(SCHEMA, b'{"line":"a","sensors":[1,"hot"]}')
    assert "'line' is a required property" in problem(SCHEMA, b"{}")
    assert SCHEMA.read(1, b'{"line":"a","sensors":[1]}').key is None


@pytest.mark.parametrize("raw", [b"{}", b'{"id":null}', b'{"id":{}}', b'{"id":""}'])
def test_a_line_without_its_key_is_named(raw: bytes) -> None:
    """A record without the key that was asked for would go to a random shard."""
    assert "field id: is" in problem(LineForm(key_field="id"), raw)


def test_long_values_are_cut_in_messages() -> None:
    """A megabyte of input doesn't flood the terminal."""
    assert len(problem(EVENT, b'{"line":"a","sensors":"' + b"x" * 100_000 + b'"}')) < 400
