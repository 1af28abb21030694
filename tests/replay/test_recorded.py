"""Two shards of the demo as they were recorded once: the present code decides the same.

A change that is meant makes them anew: `rivergate demo shuttle --events 1500 --exit --host local`, then, with its data
directory and broker, `rivergate replay --shard agent-watcher/0 --save tests/replay/watcher-0.rec` and likewise `gate/0`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.demos.shuttle.app import app
from rivergate.testing import demand_decides_as_recorded

HERE = Path(__file__).parent


@pytest.mark.parametrize(("recording", "commits"), [("watcher-0", 20), ("gate-0", 59)])
def test_it_decides_as_was_recorded(recording: str, commits: int) -> None:
    """Every commit of then comes out again, byte for byte."""
    assert demand_decides_as_recorded(app(), HERE / f"{recording}.rec") == commits
