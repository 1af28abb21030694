"""What acceptance tests share: commands that end with the test, and a name for each app."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.acceptance.command import Command, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `rivergate` with these arguments; whatever of it runs at the end of the test is killed."""
    commands: list[Command] = []
    numbers = count()

    def begin(*arguments: str) -> Command:
        commands.append(Command(tmp_path / f"command-{next(numbers)}", *arguments))
        return commands[-1]

    yield begin
    for command in commands:
        command.end()


@pytest.fixture
def app() -> str:
    """An app's name that no other test uses."""
    return f"a{uuid.uuid4().hex[:10]}"
