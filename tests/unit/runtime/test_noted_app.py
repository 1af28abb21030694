"""Which app a data directory belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.runtime.noted_app import note_app, noted_app
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef


def test_what_was_noted_is_there_when_nothing_runs(tmp_path: Path) -> None:
    """Reference, name, partitions and variables; the newest start counts."""
    data = DataDir(tmp_path)
    assert noted_app(data) is None
    note_app(data, AppRef("a.b:app", "a", 2))
    note_app(data, AppRef("a.b:app", "b", 3, ("MODEL_KEY",)))
    assert noted_app(data) == AppRef("a.b:app", "b", 3, ("MODEL_KEY",))


@pytest.mark.parametrize("content", ["", "[]", '{"reference": "x"}'])
def test_a_file_that_says_nothing_is_an_error_with_a_remedy(tmp_path: Path, content: str) -> None:
    """The app can still be named."""
    data = DataDir(tmp_path)
    data.app_file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        noted_app(data)
    assert "MODULE:APP" in refused.value.remedy
