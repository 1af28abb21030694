from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[..., Path]

TELEMETRY = """\
name: telemetry
partitions: app
key: line
schema: [shuttle.reading]
retention: 7d
writers: [machines]
readers: [agents]
why: What machines say.
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("telemetry.yaml", text)` puts a topic file into a folder of its own and returns the folder."""

    def put(name: str = "telemetry.yaml", text: str = TELEMETRY) -> Path:
        folder = tmp_path / "topics"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(dedent(text), encoding="utf-8")
        return folder

    return put
