"""The guide's program runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.unit.audit.story import APP, Proposed, Story

from rivergate.adapters.audit_store import AuditStore

GUIDE = Path(__file__).parents[3] / "docs/guides/traces.md"


def test_the_guides_program_reads_a_store(tmp_path: Path) -> None:
    """What the guide tells people to type works on a store as it is."""
    story = Story()
    Proposed(story, 1).propose().allow().do()
    store = AuditStore(tmp_path / "audit.db", APP, "log-1")
    store.write(story.records)
    store.close()
    [program] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"audit_db": tmp_path / "audit.db"}
    exec(program, names)  # noqa: S102 - our own guide
    assert names["slowest"][0] == ("effect shut_down", 4.3)
    names["db"].close()
