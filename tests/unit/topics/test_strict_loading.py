from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.topics import Catalogue

Write = Callable[..., Path]

GOOD = """\
name: telemetry
partitions: app
key: line
schema: [shuttle.reading]
retention: 7d
writers: [machines]
readers: [agents]
why: What machines say.
"""

FAULTS = {
    "unknown field": ("retention: 7d", "retension: 7d", 5, "unknown field 'retension'", "did you mean 'retention'?"),
    "missing field": ("why: What machines say.\n", "", None, "field 'why' is missing", "add a line `why: …`"),
    "wrong count": ("partitions: app", "partitions: 3", 2, "partitions: ", "write `app`"),
    "a bool is no count": ("partitions: app", "partitions: true", 2, "partitions: ", "write `app`"),
    "wrong duration": ("retention: 7d", "retention: 7 days", 5, "'7 days' isn't a duration", "docs/guides/topics.md"),
    "no duration": ("retention: 7d\n", "", 1, "exactly one of `retention` and `cleanup: compact`", "correct"),
    "wrong size": ("key: line", "key: line\nmax_message_bytes: 1MB", 4, "'1MB' isn't a size", "correct"),
    "tiny size": ("key: line", "key: line\nmax_message_bytes: 64 KiB", 4, "64 KiB is too little", "correct"),
    "wrong stamp": (
        "key: line", "key: line\ntimestamps: LogApendTime", 4, "timestamps: ", "did you mean 'LogAppendTime'?",
    ),
    "unknown placeholder": ("name: telemetry", 'name: "{ap}.x"', 1, "{ap} stands for nothing here", "correct"),
    "illegal name": ("name: telemetry", "name: tele metry", 1, "letters, digits", "correct"),
    "shards without stage": ("partitions: app", "partitions: shards", 1, "belong together", "correct"),
    "unknown ce_type": (
        "[shuttle.reading]", "[rivergate.propsal.v1]", 4, "no record type is named", "did you mean 'rivergate.proposal.v1'?",
    ),
    "written twice": ("key: line", "key: line\nkey: machine", 4, "'key' is written twice, first in line 3", "keep one"),
    "not YAML": ("key: line", "key: {line", 4, "not YAML", "mend the syntax"),
    "bad JSON schema": (
        "key: line", "key: line\njson_schema:\n  type: strin", 5, "json_schema: 'strin' is not valid", "2020-12",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_line_and_remedy(write: Write, fault: str) -> None:
    """Each planted fault turns the load red, at its line, with what to do."""
    before, after, line, said, remedy = FAULTS[fault]
    assert before in GOOD
    folder = write(text=GOOD.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        Catalogue.load([folder])
    assert str(folder / "telemetry.yaml") in caught.value.where
    if line is not None:
        assert caught.value.where.split(":")[1] == str(line)
    assert said in caught.value.what
    assert remedy in caught.value.remedy


def test_a_file_without_faults_loads(write: Write) -> None:
    """The file that the faults are planted into is good itself."""
    assert Catalogue.load([write(text=GOOD)]).entries[-1].declared.name == "telemetry"


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text\n"])
def test_what_is_no_mapping_is_refused(write: Write, text: str) -> None:
    """An empty file or a list isn't a topic."""
    with pytest.raises(ConfigError, match="not a mapping of fields"):
        Catalogue.load([write(text=text)])


def test_bytes_that_are_no_text_are_refused(write: Write) -> None:
    """A binary file gets a sentence."""
    folder = write()
    (folder / "telemetry.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        Catalogue.load([folder])
