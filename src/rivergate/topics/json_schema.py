"""JSON Schema of users' topics: is a schema one, and does a value have its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def faulty_place(schema: Mapping[str, Any]) -> tuple[list[str | int], str] | None:
    """Where in the schema (draft 2020-12) something isn't one, and what; None where it holds."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as e:
        return list(e.absolute_path), str(e.message)
    return None


def schema_problem(schema: Mapping[str, Any], value: Any) -> str:
    """`field sensors.0: 'x' is not of type 'number'`, or nothing where the value holds."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return ""
    place = ".".join(map(str, error.absolute_path))
    return f"field {place}: {error.message}" if place else str(error.message)
