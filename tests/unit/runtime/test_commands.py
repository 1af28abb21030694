from __future__ import annotations

from pathlib import Path

from rivergate.runtime.paths import DataDir
from rivergate.runtime.supervision import commands


def test_what_is_parked_stays_so_until_it_is_resumed(tmp_path: Path) -> None:
    """However often one looks; the newest reason holds."""
    data = DataDir(tmp_path)
    assert commands.parked(data) == {}
    assert not commands.unpark(data, "agent-a.b", 1)
    for why in ("first", "then → this\nand that"):
        commands.park(data, "agent-a.b", 1, why)
    (data.parked / "a.note").write_text("somebody's")
    assert commands.parked(data) == commands.parked(data) == {("agent-a.b", 1): "then → this\nand that"}
    assert commands.unpark(data, "agent-a.b", 1)
    assert commands.parked(data) == {}
    assert list(commands.take_resumes(data)) == []
