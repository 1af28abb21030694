"""The kit's demand that the present code decides as was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kernel.test_past import NEVER
from tests.unit.runtime.recorded_world import app_of, changed, recorded

from rivergate.domain.errors import ReplayMismatch
from rivergate.testing import demand_decides_as_recorded


def test_the_same_code_decides_the_same(tmp_path: Path) -> None:
    """It says how many commits were compared, so that a test can see that there were some."""
    path, _ = recorded(tmp_path, list(range(8)), NEVER)
    assert demand_decides_as_recorded(app_of(), path) == 8
    path, key = recorded(tmp_path, [6, 7])
    assert demand_decides_as_recorded(app_of(), str(path), snapshot_key=str(key)) == 2


def test_a_changed_factor_is_told_with_both_values(tmp_path: Path) -> None:
    """Commit, output and field; what it was and what it is; and what to do."""
    path, _ = recorded(tmp_path, list(range(8)), NEVER)
    with pytest.raises(
        ReplayMismatch, match=r"commit 0: output 0 differs in value.sum; value.sum was 1, is 2"
    ) as found:
        demand_decides_as_recorded(changed(), path)
    assert found.value.where == str(path)
    assert "--accept-new-code" in found.value.remedy
