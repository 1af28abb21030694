from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
from tests.unit.adapters.graph_world import GraphWorld, run_until

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "graphs.md"


def test_the_guides_graph_proposes_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people copy from the guide runs as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    module = types.ModuleType("graphs_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, str(GUIDE), "exec"), module.__dict__)  # noqa: S102 - the guide's own code
    triage = module.triage
    world = GraphWorld(**{f: getattr(triage, f) for f in ("graph", "model", "consumes", "proposes", "prompt")})
    world.broker.append("alarms", 0, b'{"machine": "press-1", "text": "Too hot."}')
    performer = world.performer()
    run_until(performer, lambda: bool(world.values("proposals")))
    world.answer(world.values("proposals")[0]["proposal_id"], "denied")
    run_until(performer, lambda: bool(world.results()))
    assert "not today" in world.results()[0]
