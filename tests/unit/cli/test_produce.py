"""`rivergate produce`: which file's schema holds for a topic."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.cli.produce import _declared
from rivergate.domain.errors import ConfigError

FILE = """\
name: "{app}.readings"
partitions: app
key: line
schema: what sensors say
retention: 7d
writers: [sensors]
readers: [agents]
why: to test
"""


def test_a_file_that_may_be_the_topics_is_never_passed_over(tmp_path: Path) -> None:
    """Without the app's name its schema would go unchecked, and any line would be written."""
    (tmp_path / "readings.yaml").write_text(FILE)
    found = _declared("plant.readings", None, "plant", [tmp_path])
    assert found is not None
    with pytest.raises(ConfigError, match="may be") as refused:
        _declared("plant.readings", None, None, [tmp_path])
    assert refused.value.remedy == "say which app it is of: --app plant"
    assert _declared("weather", None, None, [tmp_path]) is None
