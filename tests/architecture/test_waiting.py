"""Unit tests wait for nothing but signals."""

from __future__ import annotations

import ast
import time

import pytest
from tests.architecture.tracked import name_of, python_files


def sleeps(name: str, source: str) -> list[str]:
    """Where a source waits for time to pass."""
    return [
        f"{name}:{node.lineno}: sleeps"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "sleep")
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "sleep"
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"time", "asyncio"}
                and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
            )
        )
    ]


def test_no_unit_test_sleeps() -> None:
    """Time is injected; a wait is for a signal."""
    found = [p for f in python_files("tests/unit") for p in sleeps(name_of(f), f.read_text(encoding="utf-8"))]
    assert found == []


def test_planted_sleeps_are_named() -> None:
    """All three spellings are found; `asyncio.sleep(0)`, which lets others run, isn't one."""
    planted = "time.sleep(1)\nsleep(0.1)\nasyncio.sleep(2)\nasyncio.sleep(0)\nclock.sleep(3)\n"
    assert sleeps("a.py", planted) == ["a.py:1: sleeps", "a.py:2: sleeps", "a.py:3: sleeps"]


def test_other_tests_may_sleep(request: pytest.FixtureRequest) -> None:
    """The guard on `time.sleep` is for unit tests alone: this test isn't one."""
    assert time.sleep.__module__ == "time"
    assert "architecture" in request.path.parts
