"""Every test can fail: it asserts something, or calls what does."""

from __future__ import annotations

import ast

from tests.architecture.tracked import name_of, python_files

ASSERTING_CALLS = {"raises", "fail", "warns", "expect"}
ASSERTING_PREFIXES = ("assert_", "check_", "expect_")


def called_name(node: ast.Call) -> str:
    """The last part of what is called."""
    target = node.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def asserts(node: ast.AST) -> bool:
    """Whether this node can make a test fail on purpose."""
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant | ast.JoinedStr) and not (
            isinstance(node.test, ast.Tuple) and bool(node.test.elts)
        )
    if isinstance(node, ast.Call):
        name = called_name(node)
        return name in ASSERTING_CALLS or name.startswith(ASSERTING_PREFIXES)
    return False


def without_assertion(name: str, source: str) -> list[str]:
    """A sentence for each test that can't fail on purpose."""
    return [
        f"{name}:{node.lineno}: {node.name} asserts nothing"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(asserts(inner) for inner in ast.walk(node))
    ]


def test_every_test_asserts_something() -> None:
    """A test that can't fail is no test."""
    files = [p for p in python_files("tests") if p.name.startswith("test_")]
    assert files
    found = [problem for p in files for problem in without_assertion(name_of(p), p.read_text(encoding="utf-8"))]
    assert found == []


def test_planted_empty_tests_are_named() -> None:
    """Nothing, a constant and a never-empty tuple don't count as assertions; real ones do."""
    planted = """
def test_nothing(): run()
def test_constant(): assert True
def test_tuple(): assert (x == 1, "always true")
def test_real(): assert run() == 1
class TestIn:
    async def test_method(self): run()
    def test_raises(self):
        with pytest.raises(KeyError): run()
def test_shared(): check_everything(run())
"""
    assert without_assertion("a.py", planted) == [
        "a.py:2: test_nothing asserts nothing",
        "a.py:3: test_constant asserts nothing",
        "a.py:4: test_tuple asserts nothing",
        "a.py:7: test_method asserts nothing",
    ]
