from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from rivergate.cli.demo import demo
from rivergate.domain.errors import BadInput


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--json"], "--json without --exit"), (["--exit", "--events", "0"], "endless readings never exit")],
)
def test_options_that_contradict_one_another_are_said(options: list[str], said: str) -> None:
    """Nothing is started for a command that can't give what it was asked for."""
    found = CliRunner().invoke(demo, ["shuttle", *options])
    assert isinstance(found.exception, BadInput)
    assert said in found.exception.what


def test_the_help_names_every_option_of_the_contract() -> None:
    """Scripts rely on these names."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner(env={"COLUMNS": "200"}).invoke(demo, ["shuttle", "--help"]).output)
    for option in ("events", "exit", "json", "seed", "app", "partitions", "data-dir", "bootstrap", "host", "rate"):
        assert f"--{option}" in shown
