"""The JSON schema of a kind of proposal: checks arguments, types variables, converts JSON numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jsonschema_rs

from rivergate.gate.policy.conditions import BOOL, DOUBLE, DYNAMIC, FREE_FORM, INT, STRING, ValueType
from rivergate.gate.policy.errors import PolicyError

Convert = Callable[[Any], Any]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SCALARS: Final = {"number": DOUBLE, "integer": INT, "string": STRING, "boolean": BOOL}
_DEEP: Final = 16


class ArgumentsSchema:
    """Checks and types the arguments of one kind. `$ref`s to other documents are never followed."""

    def __init__(self, kind: str, schema: Mapping[str, Any]) -> None:
        self.kind = kind
        self._schema = schema
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
            )
        except (ValueError, TypeError) as e:
            raise PolicyError(
                f"the schema of kind {kind!r} can't be used: {str(e).splitlines()[0]}",
                remedy="generate it with pydantic's model_json_schema()",
            ) from e
        properties = schema.get("properties", {})
        required = set(schema.get("required", ()))
        self.fields: dict[str, ValueType] = {}
        self._defaults: dict[str, Any] = {}
        self._converts: dict[str, Convert | None] = {}
        for name, property_schema in properties.items():
            t = self._type(property_schema, 0)
            if name not in required:
                default = property_schema.get("default") if isinstance(property_schema, Mapping) else None
                self._defaults[name] = default
                t = DYNAMIC if default is None else t
            self.fields[name] = t
            self._converts[name] = converter(t)
        if "kind" in self.fields:
            raise PolicyError(
                f"kind {kind!r} has an argument named 'kind', which hides action.kind",
                remedy="rename the field of the proposal class",
            )

    @property
    def variables(self) -> dict[str, ValueType]:
        """`{field: type}` of what conditions can name; a field that is no identifier can't be named."""
        return {name: t for name, t in self.fields.items() if _IDENTIFIER.match(name)}

    def complaint(self, arguments: Any) -> str:
        """Why the arguments don't fit, or nothing."""
        if self._validator.is_valid(arguments):
            return ""
        error = next(iter(self._validator.iter_errors(arguments)))
        place = ".".join(str(x) for x in error.instance_path)
        text = str(error.message)[:300]
        return f"argument {place}: {text}" if place else text

    def values(self, arguments: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
        """`{variable: value}` for the wanted fields (variable → field), each in its declared type."""
        found = {}
        for variable, name in wanted.items():
            value = arguments[name] if name in arguments else self._defaults.get(name)
            convert = self._converts[name]
            found[variable] = value if convert is None else convert(value)
        return found

    def _type(self, schema: Any, depth: int) -> ValueType:
        """Type of a field; whatever has no static type (optional, mixed) is `dyn`, every object a map."""
        if not isinstance(schema, Mapping) or depth > _DEEP:
            return DYNAMIC
        same = self._resolved(schema["$ref"]) if "$ref" in schema else _only(schema.get("allOf"))
        if same is not None:
            return self._type(same, depth + 1)
        kind = schema.get("type", _type_of_choices(schema))
        if kind == "array":
            return ValueType("list", self._type(schema.get("items"), depth + 1))
        if kind == "object":
            extra = schema.get("additionalProperties")
            if "properties" not in schema and isinstance(extra, Mapping):
                return ValueType("map", self._type(extra, depth + 1))
            return FREE_FORM
        return ValueType(_SCALARS[kind]) if isinstance(kind, str) and kind in _SCALARS else DYNAMIC

    def _resolved(self, ref: Any) -> Any:
        name = str(ref).removeprefix("#/$defs/")
        return self._schema.get("$defs", {}).get(name)


def converter(t: ValueType) -> Convert | None:
    """What turns a JSON value into one of this type (`5` for a double is `5.0`), None where nothing is to do."""
    if t.name == DOUBLE:
        return _to_double
    if t.name == INT:
        return _to_int
    inner = converter(t.of) if t.of is not None else None
    if inner is None:
        return None
    if t.name == "list":
        return lambda value: [inner(x) for x in value] if isinstance(value, list) else value
    return lambda value: {k: inner(x) for k, x in value.items()} if isinstance(value, dict) else value


def _to_double(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _to_int(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _only(schemas: Any) -> Any:
    return schemas[0] if isinstance(schemas, list) and len(schemas) == 1 else None


def _type_of_choices(schema: Mapping[str, Any]) -> str | None:
    """Type of `const` and `enum` schemas that state none."""
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return "string" if choices and all(isinstance(c, str) for c in choices) else None


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside the schema")
