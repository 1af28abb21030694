"""What to write instead: remedies for conditions that don't compile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from rivergate.gate.policy.conditions import Problem

RESERVED = "budget."
"""Variables of that name will tell how much of a budget is left; nothing else may be called so."""

_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\(([^']*)\)'")
_LITERAL = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")


def located(problem: Problem, text: str) -> Problem:
    """The problem at the start of the name it is about: CEL points at the last dot of `action.cots`."""
    name = _UNDECLARED.search(problem.message)
    if name is None:
        return problem
    line = _line(text, problem.line)
    starts = [m.start() + 1 for m in re.finditer(re.escape(name[1]), line)]
    if not starts:
        return problem
    return Problem(problem.line, min(starts, key=lambda s: abs(s - problem.column)), problem.message)


def hint(problem: Problem, text: str, variables: Iterable[str]) -> str:
    """A sentence that says what to do."""
    undeclared = _UNDECLARED.search(problem.message)
    if undeclared is not None:
        return _instead_of(undeclared[1], sorted(variables))
    overload = _OVERLOAD.search(problem.message)
    if overload is not None:
        return _of_one_type(overload[1], overload[2].split(", "), _line(text, problem.line), problem.column)
    if "this is of type" in problem.message:
        return "write an expression of the field's type: text in quotes of its own, decimals with a point"
    if "Syntax error" in problem.message:
        return "conditions are CEL: compare with ==, combine with && and ||, negate with !, quote text"
    return "conditions are CEL and must be true or false"


def _instead_of(name: str, variables: list[str]) -> str:
    if name.startswith(RESERVED):
        return f"names that begin with {RESERVED!r} are kept for budgets, which this version doesn't have"
    near = get_close_matches(name, variables, n=1, cutoff=0.6)
    if not near and "." not in name:
        near = [v for v in variables if v.endswith(f".{name}")]
    if near:
        return f"did you mean {near[0]!r}?"
    return f"declared are: {', '.join(variables)}"


def _of_one_type(operator: str, types: list[str], line: str, column: int) -> str:
    literals = sorted(_LITERAL.finditer(line), key=lambda m: abs(m.start() - (column - 1)))
    if set(types) == {"double", "int"}:
        for literal in literals:
            if "." not in literal[0] and "e" not in literal[0].lower():
                return f"CEL doesn't mix DOUBLE and INT: write {literal[0]}.0"
        if literals:
            return f"CEL doesn't mix DOUBLE and INT: write double(…) around the INT, or {int(float(literals[0][0]))}"
        return "CEL doesn't mix DOUBLE and INT: write double(…) around the INT"
    return f"both sides of {operator.strip('_') or 'it'} must be of one type, here they are {' and '.join(types)}"


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if number <= len(lines) else ""
