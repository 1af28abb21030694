"""`ConditionEngine`: what the gate needs of a language for conditions. One adapter (`cel.py`) offers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

DOUBLE: Final = "double"
INT: Final = "int"
STRING: Final = "string"
BOOL: Final = "bool"
DYN: Final = "dyn"


@dataclass(frozen=True, slots=True)
class ValueType:
    """A variable's type: a scalar name, or `list` of `of`, or `map` from text to `of`."""

    name: str
    of: ValueType | None = None

    def __str__(self) -> str:
        if self.of is None:
            return self.name
        return f"list({self.of})" if self.name == "list" else f"map(string, {self.of})"


DYNAMIC: Final = ValueType(DYN)
FREE_FORM: Final = ValueType("map", DYNAMIC)


@dataclass(frozen=True, slots=True)
class Problem:
    """What the engine has against a condition; line and column count from 1 inside the condition's text."""

    line: int
    column: int
    message: str


class ConditionInvalid(Exception):
    """A condition doesn't compile. Turned into a `PolicyError` by whoever knows its place in the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems = tuple(problems)


class ConditionFailed(Exception):
    """A condition gave an error, or something that isn't of the type it must have, when it was evaluated."""


class Expression(Protocol):
    """A compiled expression; it can't be pickled."""

    result: str
    """Its static type, spelt like `str(ValueType)`; `dyn` where it isn't known."""

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Its value. Raises `ConditionFailed`, and nothing else."""


class Predicates(Protocol):
    """Many conditions compiled as one."""

    def test(self, values: Mapping[str, Any]) -> list[bool]:
        """One truth value each. Raises `ConditionFailed` if any of them fails, without telling which."""


class Scope(Protocol):
    """Compiles against one set of declared variables."""

    def expression(self, text: str) -> Expression:
        """Compile. Raises `ConditionInvalid`."""

    def predicate(self, text: str) -> Predicates:
        """Compile one condition. Raises `ConditionInvalid`, also where it isn't of type bool."""

    def predicates(self, texts: Sequence[str]) -> Predicates:
        """Compile conditions each of which compiles alone into one that evaluates them together."""


class ConditionEngine(Protocol):
    """A language for conditions: typed, without side effects, always ending."""

    @property
    def identity(self) -> str:
        """Name and version, part of every policy's digest: another version may judge otherwise."""

    def scope(self, variables: Mapping[str, ValueType]) -> Scope:
        """Declare variables."""
