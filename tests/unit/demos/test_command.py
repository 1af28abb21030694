from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rivergate.cli import demo as command
from rivergate.cli.demo import demo
from rivergate.demos.shuttle.play import Script
from rivergate.domain.errors import BadInput
from rivergate.runtime.session import RunOptions
from rivergate.runtime.spec import AppRef


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--json"], "--json without --exit"), (["--exit", "--events", "0"], "endless readings never exit")],
)
def test_options_that_contradict_one_another_are_said(options: list[str], said: str) -> None:
    """Nothing is started for a command that can't give what it was asked for."""
    found = CliRunner().invoke(demo, ["shuttle", *options])
    assert isinstance(found.exception, BadInput)
    assert said in found.exception.what


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_start_can_be_broken_off(
    number: signal.Signals, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first one downloads: who presses Ctrl-C then doesn't want to wait for its end."""

    @contextmanager
    def starting(*_: object) -> Iterator[None]:
        os.kill(os.getpid(), number)
        threading.Event().wait(5.0)
        raise AssertionError("it went on")
        yield

    monkeypatch.setattr(command, "running", starting)
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    options = RunOptions(AppRef("m:a", "shuttle", 4), tmp_path)
    try:
        with pytest.raises(ends):
            command._live(options, Script(10, 1.0, 1))
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def test_the_help_names_every_option_of_the_contract() -> None:
    """Scripts rely on these names."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner(env={"COLUMNS": "200"}).invoke(demo, ["shuttle", "--help"]).output)
    for option in ("events", "exit", "json", "seed", "app", "partitions", "data-dir", "bootstrap", "host", "rate"):
        assert f"--{option}" in shown
