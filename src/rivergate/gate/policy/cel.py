"""CEL through `cel-expr-python`: the only module that imports it.

What it has to guard against: an error comes back as a value (a text, hence truthy), so only the declared type
is accepted; a breach of the iteration budget raises instead; one error in a list makes the whole list one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from cel_expr_python import cel

from rivergate.gate.policy.conditions import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    ConditionFailed,
    ConditionInvalid,
    Expression,
    Predicates,
    Problem,
    Scope,
    ValueType,
)

_PROBLEM = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_NOISE = re.compile(r" \(in container '[^']*'\)| expecting \{.*\}$")


class CelEngine:
    """Implements `ConditionEngine`. Use it from one thread: two are slower than one."""

    @property
    def identity(self) -> str:
        """See `ConditionEngine.identity`."""
        return f"cel-expr-python {version('cel-expr-python')}"

    def scope(self, variables: Mapping[str, ValueType]) -> Scope:
        """See `ConditionEngine.scope`."""
        return _CelScope(cel.NewEnv(variables={name: _cel_type(t) for name, t in variables.items()}))


class _CelScope:
    def __init__(self, env: cel.Env) -> None:
        self._env = env

    def expression(self, text: str) -> Expression:
        return _CelExpression(self._compile(text))

    def predicate(self, text: str) -> Predicates:
        compiled = self._compile(text)
        if compiled.return_type() != cel.Type.BOOL:
            found = _spelling(compiled.return_type())
            raise ConditionInvalid([Problem(1, 1, f"a condition must be true or false, this one is of type {found}")])
        return _CelPredicates(self._compile(f"[{text}\n]"), 1)

    def predicates(self, texts: Sequence[str]) -> Predicates:
        return _CelPredicates(self._compile("[" + ",".join(f"({text}\n)" for text in texts) + "]"), len(texts))

    def _compile(self, text: str) -> cel.Expression:
        try:
            return self._env.compile(text)
        except Exception as e:
            raise ConditionInvalid(_problems(str(e))) from e


class _CelExpression:
    def __init__(self, compiled: cel.Expression) -> None:
        self._compiled = compiled
        self.result = _spelling(compiled.return_type())

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        value = _run(self._compiled, values)
        if value.type() == cel.Type.ERROR:
            raise ConditionFailed(str(value.value()))
        return value.plain_value()


class _CelPredicates:
    def __init__(self, compiled: cel.Expression, count: int) -> None:
        self._compiled = compiled
        self._count = count

    def test(self, values: Mapping[str, Any]) -> list[bool]:
        value = _run(self._compiled, values)
        if value.type() == cel.Type.ERROR:
            raise ConditionFailed(str(value.value()))
        found = value.plain_value()
        if type(found) is not list or len(found) != self._count or any(type(x) is not bool for x in found):
            raise ConditionFailed(f"expected {self._count} truth values, got {value.type().name()}")
        return found


def _run(compiled: cel.Expression, values: Mapping[str, Any]) -> cel.Value:
    try:
        return compiled.eval(data=values)
    except Exception as e:
        raise ConditionFailed(str(e)) from e


def _problems(text: str) -> list[Problem]:
    found = [Problem(int(line), int(column), _NOISE.sub("", what)) for line, column, what in _PROBLEM.findall(text)]
    return found or [Problem(1, 1, text.splitlines()[0] if text else "can't be compiled")]


_SCALARS = {DOUBLE: cel.Type.DOUBLE, INT: cel.Type.INT, STRING: cel.Type.STRING, BOOL: cel.Type.BOOL, DYN: cel.Type.DYN}


def _cel_type(t: ValueType) -> cel.Type:
    if t.of is None:
        return _SCALARS[t.name]
    inner = _cel_type(t.of)
    return cel.Type.List(inner) if t.name == "list" else cel.Type.Map(cel.Type.STRING, inner)


def _spelling(t: cel.Type) -> str:
    """CEL's `LIST<DOUBLE>`, `MAP<STRING, DYN>` as we spell them: `list(double)`, `map(string, dyn)`."""
    return str(t.name()).lower().replace("<", "(").replace(">", ")")
