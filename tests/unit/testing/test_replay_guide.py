"""The guide's test runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.unit.kernel.test_past import NEVER
from tests.unit.runtime.recorded_world import app_of, changed, recorded

from rivergate.domain.errors import ReplayMismatch

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "replay.md"


def test_the_guides_test_passes_on_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a reader would put it beside their tests."""
    [block] = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    fleet, fleet_app, guide = ModuleType("fleet"), ModuleType("fleet.app"), ModuleType("guide_replay")
    vars(fleet_app)["app"] = app_of()
    for module in (fleet, fleet_app):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    path, _ = recorded(tmp_path, [0, 1, 2], NEVER)
    path.rename("tests/watcher-0.rec")
    exec(compile(block, GUIDE.name, "exec", dont_inherit=True), vars(guide))  # noqa: S102 - our own guide
    vars(guide)["test_it_decides_as_was_recorded"]()
    vars(fleet_app)["app"] = changed()
    exec(compile(block, GUIDE.name, "exec", dont_inherit=True), vars(guide))  # noqa: S102 - our own guide
    with pytest.raises(ReplayMismatch):
        vars(guide)["test_it_decides_as_was_recorded"]()
