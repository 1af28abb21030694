"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import quantiles

from tests.architecture.tracked import ROOT, name_of, python_files, tracked_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
CODE = {".py", ".html", ".css", ".js"}


def lines_of(path: Path) -> int:
    """Number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def too_long_files(lengths: dict[str, int]) -> list[str]:
    """A sentence for each file that is too long."""
    return [f"{name}: {n} lines (at most {MAX_FILE_LINES})" for name, n in lengths.items() if n > MAX_FILE_LINES]


def too_long_functions(name: str, source: str) -> list[str]:
    """A sentence for each function that is too long."""
    return [
        f"{name}:{node.lineno}: {node.name} has {length} lines (at most {MAX_FUNCTION_LINES})"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


def test_no_file_is_longer_than_400_lines() -> None:
    """A file that wants to be longer hides a concept that wants to be born."""
    code = [p for p in tracked_files() if p.suffix in CODE and "vendor" not in p.parts]
    assert too_long_files({name_of(p): lines_of(p) for p in code}) == []


def test_nine_files_in_ten_are_under_300_lines() -> None:
    """The source as a whole stays small-grained."""
    assert quantiles([lines_of(p) for p in python_files("src")], n=10)[-1] < 300


def test_no_function_is_longer_than_60_lines() -> None:
    """A function is read without scrolling."""
    found = [
        problem
        for path in python_files("src", "tests")
        for problem in too_long_functions(name_of(path), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_planted_long_file_is_named() -> None:
    """The check of file sizes turns red, and says where."""
    assert too_long_files({"src/a.py": 400, "src/b.py": 401}) == ["src/b.py: 401 lines (at most 400)"]


def test_a_planted_long_function_is_named() -> None:
    """The check of function sizes turns red, and says where; one that just fits passes."""
    body = "    x = 1\n"
    fits, longer = "def fits():\n" + body * 59, "async def longer():\n" + body * 60
    assert too_long_functions("a.py", fits + longer) == ["a.py:61: longer has 61 lines (at most 60)"]


def test_the_source_is_found() -> None:
    """The checks above look at something."""
    assert ROOT / "src/rivergate/ports.py" in python_files("src")
