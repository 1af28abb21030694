from __future__ import annotations

import pytest
from tests.unit.gate.world import SCHEMAS

from rivergate.gate.policy.cel import CelEngine
from rivergate.gate.policy.compiled import KindScope
from rivergate.gate.policy.model import Policy
from rivergate.gate.policy.schemas import ArgumentsSchema

ENGINE = CelEngine()
SCOPE = KindScope(
    Policy("p", (), SCHEMAS, ENGINE.identity, constants={"limit": 1.0}),
    ArgumentsSchema("inspect", SCHEMAS["inspect"]),
    ENGINE,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("action.cost > constants.limit", ("action.cost", "constants.limit")),
        ("action . cost > 1.0", ("action.cost",)),
        ("action.line == 'agent' // confidence", ("action.line",)),
        ('action.line == "it\\"s agent"', ("action.line",)),
        ("action.line == r'\\d' && agent == ''", ("action.line", "agent")),
        ("action.line == '''agent\n' confidence'''", ("action.line",)),
        ("action.line.startsWith('x') || size(agent) > 2", ("action.line", "agent")),
        ("confidence>0.5&&action.kind=='inspect'", ("action.kind", "confidence")),
        ("true", ()),
    ],
)
def test_the_variables_that_a_condition_names(text: str, names: tuple[str, ...]) -> None:
    """Neither text nor remarks count; what is found is what the condition needs to be evaluated."""
    assert SCOPE.names_in(text) == names
    SCOPE.scope.predicate(text)
