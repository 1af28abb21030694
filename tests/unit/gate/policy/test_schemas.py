from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from rivergate.domain.event import Proposal
from rivergate.gate.policy.schemas import ArgumentsSchema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    city: str
    floor: int = 0


class Everything(Proposal):
    text: str
    number: float
    whole: int
    yes: bool
    colour: Colour
    one: Literal["a"]
    some: Literal["a", "b"]
    place: Place
    free: dict[str, Any]
    rates: dict[str, float]
    parts: list[float]
    mixed: int | str
    maybe: float | None = None
    by_default: float = 3
    documented: Place = Field(description="a reference beside a description")
    many: list[Place] = Field(default_factory=list)
    odd_name: int = Field(alias="odd-name")


SCHEMA = ArgumentsSchema("everything", Everything.model_json_schema())


@pytest.mark.parametrize(
    ("field", "spelt"),
    [
        ("text", "string"),
        ("number", "double"),
        ("whole", "int"),
        ("yes", "bool"),
        ("colour", "string"),
        ("one", "string"),
        ("some", "string"),
        ("place", "map(string, dyn)"),
        ("documented", "map(string, dyn)"),
        ("free", "map(string, dyn)"),
        ("rates", "map(string, double)"),
        ("parts", "list(double)"),
        ("mixed", "dyn"),
        ("maybe", "dyn"),
        ("by_default", "double"),
        ("many", "dyn"),
    ],
)
def test_pydantic_fields_become_typed_variables(field: str, spelt: str) -> None:
    """Scalars, lists and maps have their types; optional and mixed fields are dynamic, nested models maps."""
    assert str(SCHEMA.fields[field]) == spelt


def test_a_name_that_no_condition_can_spell_is_no_variable() -> None:
    """An alias with a hyphen is checked by the schema, conditions can't name it."""
    assert "odd-name" in SCHEMA.fields
    assert "odd-name" not in SCHEMA.variables


def test_json_numbers_take_the_declared_type() -> None:
    """An integer of a float field is a double, also inside lists and maps; 2.0 of an integer field is 2."""
    wanted = {f: f for f in ("number", "parts", "rates", "whole", "maybe", "by_default")}
    values = SCHEMA.values({"number": 5, "parts": [1, 2.5], "rates": {"a": 1}, "whole": 2.0}, wanted)
    assert values == {
        "number": 5.0,
        "parts": [1.0, 2.5],
        "rates": {"a": 1.0},
        "whole": 2,
        "maybe": None,
        "by_default": 3.0,
    }
    assert [type(v) for v in (values["number"], values["whole"], values["by_default"])] == [float, int, float]


def test_a_complaint_names_the_argument() -> None:
    """Which argument doesn't fit, and why."""
    schema = ArgumentsSchema("p", Place.model_json_schema())
    assert schema.complaint({"city": "Ulm", "floor": 2}) == ""
    assert "floor" in schema.complaint({"city": "Ulm", "floor": "two"})
    assert "city" in schema.complaint({})
    assert schema.complaint({"city": "Ulm", "floor": True})
    assert schema.complaint(None)


def test_a_schema_that_refers_to_itself_ends() -> None:
    """Recursive models are maps; the typing doesn't run forever."""
    loop = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert str(ArgumentsSchema("loop", loop).fields["a"]) == "dyn"
