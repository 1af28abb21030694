from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rivergate.domain.errors import StartRefused
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.supervision import hosts


class Started:
    """Stands for a process that was started."""

    pid = 1

    def __init__(self, command: list[str], **options: Any) -> None:
        self.environment: dict[str, str] = options["env"]


@pytest.mark.parametrize(
    ("role", "sees"),
    [("agent", True), ("graph", True), ("supervisor", True), ("gate", False), ("effects", False), ("review", False)],
)
def test_a_declared_variable_reaches_agents_and_no_other_stage(
    role: str, sees: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's key may be an agent's; what nobody declared is nobody's."""
    monkeypatch.setenv("MODEL_KEY", "k")
    monkeypatch.setenv("OTHER_KEY", "o")
    monkeypatch.setattr(hosts.subprocess, "Popen", Started)
    DataDir(tmp_path).make()
    spec = ProcessSpec(role, role, "x", AppRef("m:a", "a", 1, ("MODEL_KEY",)), "h:1", str(tmp_path))
    started: Any = hosts.LocalProcess(spec)._process
    assert ("MODEL_KEY" in started.environment) is sees
    assert "OTHER_KEY" not in started.environment


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_machine_that_has_no_room_refuses_the_start(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no fault of ours, and may pass."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hosts.subprocess, "Popen", refuse)
    DataDir(tmp_path).make()
    spec = ProcessSpec("gate", "gate", "x", AppRef("m:a", "a", 1), "h:1", str(tmp_path))
    with pytest.raises(StartRefused, match=os.strerror(number)):
        hosts.LocalHost().start(spec)
