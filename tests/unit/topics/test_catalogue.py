from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.topics import Catalogue, TopicSpec

Write = Callable[..., Path]
STAGES = {"agent-watcher": 4, "gate": 1, "effects": 4}


def resolved(*dirs: Path, partitions: int = 4) -> dict[str, TopicSpec]:
    """The topics of an app with three stages, by name."""
    return {s.name: s for s in Catalogue.for_app("shuttle", partitions, STAGES, dirs)}


def test_system_topics_get_the_apps_name_and_partitions() -> None:
    """`{app}` becomes the app's name, and `partitions: app` its count."""
    assert resolved()["shuttle.proposals"].partitions == 4


def test_one_partition_topics_stay_so() -> None:
    """What every shard reads whole has one partition, whatever the app has."""
    assert resolved(partitions=8)["shuttle.control"].partitions == 1


def test_a_journal_a_stage_with_a_partition_a_shard() -> None:
    """`journal.{stage}` stands for one topic a stage, stamped by the broker and kept for ever."""
    specs = resolved()
    assert {n: s.partitions for n, s in specs.items() if ".journal." in n} == {
        "shuttle.journal.agent-watcher": 4,
        "shuttle.journal.gate": 1,
        "shuttle.journal.effects": 4,
    }
    config = specs["shuttle.journal.gate"].config
    assert (config["message.timestamp.type"], config["retention.ms"]) == ("LogAppendTime", "-1")


def test_retention_becomes_milliseconds_without_a_byte_limit() -> None:
    """A broker's own limit by size must not remove what a file promises to keep."""
    config = resolved()["shuttle.proposals"].config
    assert (config["retention.ms"], config["retention.bytes"]) == (str(30 * 86_400_000), "-1")


def test_only_what_is_read_outside_journals_is_compacted() -> None:
    """A replay reads inputs again, so no input of a transactor may lose records to compaction."""
    assert {n for n, s in resolved().items() if s.compacted} == {"shuttle.control_pulse", "shuttle.shard_status"}


def test_dead_letters_are_64_kib_above_the_largest_input(write: Write) -> None:
    """The largest record that comes in still fits with the headers that say why it failed."""
    folder = write(text=TELEMETRY_OF_2_MIB)
    specs = resolved(folder)
    assert specs["shuttle.dead_letters"].max_message_bytes == 2 * 1024**2 + 64 * 1024


def test_users_topics_keep_their_plain_names(write: Write) -> None:
    """A file of a user's topic needs no `{app}`."""
    spec = resolved(write())["telemetry"]
    assert (spec.partitions, spec.system) == (4, False)


def test_the_same_name_twice_names_both_files(write: Write) -> None:
    """Two declarations of one topic are a mistake of either."""
    write("a.yaml")
    with pytest.raises(ConfigError, match=r"b\.yaml: topic 'telemetry' is declared already in .*a\.yaml"):
        Catalogue.load([write("b.yaml")])


def test_a_user_cannot_declare_a_system_topic(write: Write) -> None:
    """A name that becomes a system topic's once the app is known is caught then."""
    folder = write(text=TELEMETRY_OF_2_MIB.replace("name: telemetry", "name: shuttle.actions"))
    with pytest.raises(ConfigError, match="declared already"):
        resolved(folder)


def test_a_topic_that_agents_use_has_to_be_declared(write: Write) -> None:
    """A misspelt topic in an event class is found before anything starts, with the name that was meant."""
    with pytest.raises(ConfigError, match=r"no topic file declares 'telemetri'.*\n→ did you mean 'telemetry'\?"):
        Catalogue.for_app("shuttle", 4, STAGES, [write()], used=["telemetri"])


def test_agents_cannot_use_a_compacted_topic(write: Write) -> None:
    """A replay couldn't read again what compaction removed."""
    folder = write(text=TELEMETRY_OF_2_MIB.replace("retention: 7d", "cleanup: compact"))
    with pytest.raises(ConfigError, match="compacted: a replay"):
        Catalogue.for_app("shuttle", 4, STAGES, [folder], used=["telemetry"])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No silent empty catalogue."""
    with pytest.raises(ConfigError, match="no such folder of topic files"):
        Catalogue.load([tmp_path / "nowhere"])


def test_a_file_that_would_be_passed_over_is_named(write: Write) -> None:
    """`.yml` isn't read, so it is refused."""
    with pytest.raises(ConfigError, match=r"telemetry\.yml: topic files end in \.yaml"):
        Catalogue.load([write("telemetry.yml")])


TELEMETRY_OF_2_MIB = """\
name: telemetry
partitions: app
key: line
schema: readings
retention: 7d
max_message_bytes: 2 MiB
writers: [machines]
readers: [agents]
why: What machines say.
"""
