from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rivergate.topics import Catalogue
from rivergate.topics.reading import FIELDS

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "topics.md"


def test_the_guides_example_loads(write: Callable[..., Path]) -> None:
    """What people copy from the guide is a good topic file."""
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    spec = Catalogue.for_app("plant", 4, {"gate": 1}, [write(text=example)], used=["telemetry"])[-1]
    assert (spec.name, spec.partitions, spec.max_message_bytes) == ("telemetry", 4, 2 * 1024**2)


def test_the_guide_describes_every_field() -> None:
    """A field without a line in the table would be a secret."""
    table = "".join(re.findall(r"^\| (`.*?) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    assert [f for f in FIELDS if f"`{f}`" not in table] == []
