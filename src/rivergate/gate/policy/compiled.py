"""A policy compiled: for each kind of proposal the rules about it, ready to be evaluated.

Compiled conditions can't be pickled, so they are made anew from the policy wherever it is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rivergate.gate.policy.conditions import (
    DOUBLE,
    INT,
    STRING,
    ConditionEngine,
    ConditionFailed,
    ConditionInvalid,
    Expression,
    Predicates,
    Problem,
    Scope,
    ValueType,
)
from rivergate.gate.policy.model import Policy, Rule
from rivergate.gate.policy.schemas import ArgumentsSchema, converter

_LITERALS: Final = re.compile(
    r"""[rR]?\"{3}.*?\"{3}|[rR]?'{3}.*?'{3}|[rR]"[^"\n]*"|[rR]'[^'\n]*'"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*""",
    re.DOTALL,
)
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")
_ACTION: Final = "action."


class RuleInvalid(Exception):
    """A rule's condition or assignment doesn't compile for a kind. `part` is `when` or the assigned field."""

    def __init__(self, rule: Rule, part: str, kind: str, problem: Problem, variables: Iterable[str]) -> None:
        super().__init__(f"rule {rule.id!r}: {problem.message}")
        self.rule = rule
        self.part = part
        self.kind = kind
        self.problem = problem
        self.variables = tuple(variables)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a `modify` rule makes of one argument."""

    field: str
    type: ValueType
    expression: Expression


class CompiledRule:
    """A rule for one kind: its condition alone (to find a culprit), its assignments, the variables it names."""

    def __init__(self, rule: Rule, kind: KindScope) -> None:
        self.rule = rule
        texts = [t for t in (rule.when, *(text for _, text in rule.assignments)) if t]
        self.names = kind.names_in("\n".join(texts))
        self.shown = kind.names_in(rule.when)
        self.alone: Predicates | None = kind.predicate(rule) if rule.when else None
        self.assignments = tuple(kind.assignment(rule, field, text) for field, text in rule.assignments)


class KindScope:
    """The variables that conditions about one kind may name."""

    def __init__(self, policy: Policy, schema: ArgumentsSchema, engine: ConditionEngine) -> None:
        self.schema = schema
        self.fields = {_ACTION + name: name for name in schema.variables}
        self.constants = {f"constants.{name}": value for name, value in policy.constants.items()}
        self.variables: dict[str, ValueType] = {
            **{_ACTION + name: t for name, t in schema.variables.items()},
            **{name: type_of_constant(value) for name, value in self.constants.items()},
            "action.kind": ValueType(STRING),
            "confidence": ValueType(DOUBLE),
            "agent": ValueType(STRING),
        }
        self.scope: Scope = engine.scope(self.variables)

    def names_in(self, text: str) -> tuple[str, ...]:
        """Declared variables that a condition names, sorted."""
        found = set()
        for match in _NAME.finditer(_LITERALS.sub('""', text)):
            name = re.sub(r"\s+", "", match[0])
            while name and name not in self.variables:
                name = name.rpartition(".")[0]
            if name:
                found.add(name)
        return tuple(sorted(found))

    def predicate(self, rule: Rule) -> Predicates:
        """The rule's condition. Raises `RuleInvalid`."""
        try:
            return self.scope.predicate(rule.when)
        except ConditionInvalid as e:
            raise RuleInvalid(rule, "when", self.schema.kind, e.problems[0], self.variables) from e

    def assignment(self, rule: Rule, field: str, text: str) -> Assignment:
        """What a `modify` rule sets a field to. Raises `RuleInvalid`."""
        if field not in self.schema.fields:
            problem = Problem(1, 1, f"undeclared reference to '{_ACTION}{field}'")
            raise RuleInvalid(rule, field, self.schema.kind, problem, self.variables)
        try:
            expression = self.scope.expression(text)
        except ConditionInvalid as e:
            raise RuleInvalid(rule, field, self.schema.kind, e.problems[0], self.variables) from e
        declared = self.schema.fields[field]
        wanted = str(declared)
        fits = wanted in (expression.result, "dyn") or "dyn" in expression.result
        if not fits and {wanted, expression.result} != {DOUBLE, INT}:
            problem = Problem(1, 1, f"{field} is of type {wanted}, this is of type {expression.result}")
            raise RuleInvalid(rule, field, self.schema.kind, problem, self.variables)
        return Assignment(field, declared, expression)


class CompiledKind:
    """All rules about one kind. Many conditions are evaluated as one expression."""

    def __init__(self, policy: Policy, kind: str, engine: ConditionEngine) -> None:
        self.kind = kind
        self.schema = ArgumentsSchema(kind, policy.schemas[kind])
        self._scope = KindScope(policy, self.schema, engine)
        self.rules = tuple(CompiledRule(r, self._scope) for r in policy.rules if r.concerns(kind))
        self._conditional = tuple(r for r in self.rules if r.alone is not None)
        named = {name for r in self.rules for name in r.names}
        self._fields = {name: field for name, field in self._scope.fields.items() if name in named}
        self._constants = {name: value for name, value in self._scope.constants.items() if name in named}
        self._together = self._scope.scope.predicates([r.rule.when for r in self._conditional])

    def values(self, arguments: Mapping[str, Any], confidence: float | None, agent: str) -> dict[str, Any]:
        """What the conditions see: a value for each variable that any rule names."""
        return {
            **self._constants,
            **self.schema.values(arguments, self._fields),
            "action.kind": self.kind,
            "confidence": None if confidence is None else float(confidence),
            "agent": agent,
        }

    def fired(self, values: Mapping[str, Any]) -> tuple[list[CompiledRule], list[tuple[CompiledRule, str]]]:
        """Rules whose condition holds, and (rule, error) for those whose condition failed."""
        try:
            truths = self._together.test(values) if self._conditional else []
        except ConditionFailed:
            return self._one_by_one(values)
        if True not in truths:
            return [r for r in self.rules if r.alone is None], []
        held = {id(r) for r, truth in zip(self._conditional, truths, strict=True) if truth}
        return [r for r in self.rules if r.alone is None or id(r) in held], []

    def _one_by_one(self, values: Mapping[str, Any]) -> tuple[list[CompiledRule], list[tuple[CompiledRule, str]]]:
        fired, failed = [], []
        for r in self.rules:
            try:
                if r.alone is None or r.alone.test(values)[0]:
                    fired.append(r)
            except ConditionFailed as e:
                failed.append((r, str(e)))
        if not failed:  # the list fails where each condition holds up, so nothing it said may count
            failed = [(r, "the conditions can't be evaluated together") for r in self._conditional[:1]]
        return fired, failed


def compile_policy(policy: Policy, engine: ConditionEngine) -> dict[str, CompiledKind]:
    """Every kind that the policy has a schema of. Raises `RuleInvalid` and, for a schema, `PolicyError`."""
    return {kind: CompiledKind(policy, kind, engine) for kind in sorted(policy.schemas)}


def type_of_constant(value: Any) -> ValueType:
    """Type of a scalar, or of a list whose items are of one type."""
    if isinstance(value, list):
        return ValueType("list", type_of_constant(value[0]))
    if isinstance(value, bool):
        return ValueType("bool")
    if isinstance(value, int):
        return ValueType(INT)
    return ValueType(DOUBLE if isinstance(value, float) else STRING)


def json_value(value: Any, t: ValueType) -> Any:
    """What an assignment gave, as the JSON value of a field of this type."""
    convert = converter(t)
    return value if convert is None else convert(value)
