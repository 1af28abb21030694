"""Tells the sizes of the source at the end of a run, so that growth is seen before it hurts."""

from __future__ import annotations

from statistics import median

import pytest
from tests.architecture.tracked import name_of, python_files


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many files, how long."""
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in python_files("src")}
    longest = max(lengths, key=lambda p: lengths[p])
    terminalreporter.write_line(
        f"source: {len(lengths)} files, median {median(lengths.values()):.0f} lines, "
        f"longest {lengths[longest]} ({name_of(longest)})"
    )
