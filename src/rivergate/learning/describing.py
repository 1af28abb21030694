"""What a model knows, as JSON: its make, its parameters, what it has fitted, how large it is. Looks, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivergate.learning.prequential import Prequential

Description = dict[str, Any]

_MOST = 40
_TEXT_CHARS = 200
_DEPTH = 4
_PLAIN = (bool, int, float, str, type(None))


def described(value: Any, depth: int = _DEPTH) -> Description:
    """`type` and what belongs to it: `figures` of a `Prequential`; of a River model `bytes`, `parameters`, `steps` of a
    pipeline, `weights` and `intercept`, a tree's `summary`, `members` of an ensemble, other `fitted` figures; of
    collections their `length`, and their `value` where it is short. Other objects are told as `text`.
    """
    kind = type(value)
    found: Description = {"type": kind.__name__}
    if isinstance(value, Prequential):
        return found | {"figures": value.figures()._asdict()}
    if kind.__module__.partition(".")[0] == "river":
        return found | dict(_of_model(value, depth))
    if isinstance(value, _PLAIN):
        return found | {"value": value}
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        found["length"] = len(value)
        plain = _plain(value)
        return found if plain is None else found | {"value": plain}
    return found | {"text": repr(value)[:_TEXT_CHARS]}


def _of_model(model: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if hasattr(model, "_raw_memory_usage"):
        yield "bytes", int(model._raw_memory_usage)  # noqa: SLF001 - River has no public way
    steps = getattr(model, "steps", None)
    if isinstance(steps, Mapping):
        yield "steps", {str(name): described(step, depth - 1) for name, step in steps.items()}
        return
    parameters = {k: v for k, v in _parameters(model).items() if isinstance(v, _PLAIN)}
    if parameters:
        yield "parameters", parameters
    for name in ("weights", "intercept", "summary"):
        fitted = getattr(model, name, None)
        if isinstance(fitted, Mapping):
            yield name, _first(fitted)
        elif isinstance(fitted, (int, float)):
            yield name, fitted
    members = getattr(model, "models", None)
    if isinstance(members, (list, tuple)):
        few = [described(m, depth - 1) for m in members[:3]] if depth > 0 else []
        yield "members", {"length": len(members), "first": few}
    fitted = dict(_fitted(model, parameters))
    if fitted:
        yield "fitted", fitted


def _parameters(model: Any) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = model._get_params()  # noqa: SLF001 - River has no public way
    except (AttributeError, TypeError):
        return {}
    return found


def _fitted(model: Any, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Public attributes with numbers in them that are no parameters: means, variances, counts."""
    for name, value in getattr(model, "__dict__", {}).items():
        if name.startswith("_") or name in parameters or name in {"weights", "intercept"}:
            continue
        if isinstance(value, (int, float)):
            yield name, value
        elif isinstance(value, Mapping) and value and all(isinstance(v, (int, float)) for v in value.values()):
            yield name, _first(value)


def _first(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """Not more than a screen can hold; the rest is counted under `…`."""
    items = list(mapping.items())
    found = {str(k): v if isinstance(v, _PLAIN) else repr(v)[:_TEXT_CHARS] for k, v in items[:_MOST]}
    return found if len(items) <= _MOST else found | {"…": len(items) - _MOST}


def _plain(value: Any) -> Any:
    """A short collection of plain values, else None."""
    if len(value) > _MOST:
        return None
    if isinstance(value, dict):
        return _first(value) if all(isinstance(v, _PLAIN) for v in value.values()) else None
    listed = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
    return listed if all(isinstance(v, _PLAIN) for v in listed) else None
