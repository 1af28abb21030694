"""The catalogue: every topic that an app needs, read from `topics/*.yaml` and resolved for one app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rivergate.domain.errors import ConfigError
from rivergate.topics.model import ABOVE_INPUTS, TopicFile, TopicSpec
from rivergate.topics.near import did_you_mean
from rivergate.topics.quantities import DEFAULT_MAX_MESSAGE_BYTES, FOREVER_MS, parse_duration_ms, parse_size_bytes
from rivergate.topics.reading import read_topic_file

STAGES: Final = frozenset({"agents", "graphs", "gate", "effects"})
"""Readers whose commits may have to write what they read to the dead letters."""


def system_dir() -> Path:
    """Where the system topics' files are: in the package once installed, else at the top of the source tree."""
    packaged = Path(__file__).parent / "builtin"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "topics"


@dataclass(frozen=True, slots=True)
class Entry:
    """One topic file, and whether it is rivergate's own."""

    declared: TopicFile
    path: Path
    system: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Topic files, not yet resolved for an app."""

    entries: tuple[Entry, ...]

    @classmethod
    def load(cls, dirs: Iterable[Path], *, system: Path | None = None) -> Catalogue:
        """Read all `*.yaml` of the system topics' folder and of these, in order of their names.

        Raises `ConfigError` for a folder that isn't there, for an unknown field, a wrong value, and for a name
        that two files have.
        """
        entries = [*_entries(system or system_dir(), system=True)]
        for folder in dirs:
            entries += _entries(folder, system=False)
        seen: dict[str, Path] = {}
        for entry in entries:
            name = entry.declared.name
            if name in seen:
                raise _declared_twice(name, seen[name], entry.path)
            seen[name] = entry.path
        return cls(tuple(entries))

    @classmethod
    def for_app(
        cls,
        app: str,
        partitions: int,
        stages: Mapping[str, int],
        user_topic_dirs: Iterable[Path] = (),
        *,
        used: Iterable[str] = (),
    ) -> list[TopicSpec]:
        """All topics of an app. `stages` gives each stage's number of shards; `used` names the users' topics that
        the app's agents read or publish to: one that no file declares is an error, and so is a compacted one.
        """
        specs = cls.load(user_topic_dirs).resolve(app, partitions, stages)
        _check_used(specs, used)
        return specs

    def resolve(self, app: str, partitions: int, stages: Mapping[str, int]) -> list[TopicSpec]:
        """Names, numbers of partitions and Kafka's settings for one app. Raises `ConfigError`."""
        limit = self._largest_input()
        specs: dict[str, TopicSpec] = {}
        for entry in self.entries:
            for spec in _instances(entry, app, partitions, stages, limit):
                if spec.name in specs:
                    raise _declared_twice(spec.name, specs[spec.name].path, spec.path)
                specs[spec.name] = spec
        return list(specs.values())

    def _largest_input(self) -> int:
        sizes = [DEFAULT_MAX_MESSAGE_BYTES]
        for entry in self.entries:
            size = entry.declared.max_message_bytes
            is_input = not entry.system or not STAGES.isdisjoint(entry.declared.readers)
            if is_input and size is not None and not (isinstance(size, str) and size.startswith(ABOVE_INPUTS)):
                sizes.append(parse_size_bytes(size))
        return max(sizes)


def _entries(folder: Path, *, system: bool) -> list[Entry]:
    if not folder.is_dir():
        raise ConfigError("no such folder of topic files", where=str(folder), remedy="name the folder that holds them")
    misspelt = sorted(folder.glob("*.yml"))
    if misspelt:
        raise ConfigError("topic files end in .yaml", where=str(misspelt[0]), remedy="rename it")
    return [Entry(read_topic_file(path)[0], path, system) for path in sorted(folder.glob("*.yaml"))]


def _instances(
    entry: Entry, app: str, partitions: int, stages: Mapping[str, int], largest_input: int
) -> Iterable[TopicSpec]:
    declared = entry.declared
    config = _config(declared, largest_input)
    if declared.partitions == "shards":
        for stage, shards in stages.items():
            name = declared.name.replace("{app}", app).replace("{stage}", stage)
            yield TopicSpec(name, shards, config, declared, entry.path, entry.system)
    else:
        count = partitions if declared.partitions == "app" else declared.partitions
        yield TopicSpec(declared.name.replace("{app}", app), count, config, declared, entry.path, entry.system)


def _config(declared: TopicFile, largest_input: int) -> dict[str, str]:
    size = declared.max_message_bytes
    if size is None:
        limit = DEFAULT_MAX_MESSAGE_BYTES
    elif isinstance(size, str) and size.startswith(ABOVE_INPUTS):
        limit = largest_input + parse_size_bytes(size.removeprefix(ABOVE_INPUTS))
    else:
        limit = parse_size_bytes(size)
    config = {"max.message.bytes": str(limit), "message.timestamp.type": declared.timestamps}
    if declared.retention is None:
        return config | {"cleanup.policy": "compact"}
    # Without retention.bytes a broker's own default could remove what the file promises to keep.
    kept = str(parse_duration_ms(declared.retention))
    return config | {"cleanup.policy": "delete", "retention.ms": kept, "retention.bytes": str(FOREVER_MS)}


def _check_used(specs: Sequence[TopicSpec], used: Iterable[str]) -> None:
    by_name = {s.name: s for s in specs}
    for topic in used:
        spec = by_name.get(topic)
        if spec is None:
            mine = [s.name for s in specs if not s.system]
            raise ConfigError(
                f"no topic file declares {topic!r}, which the app's agents use",
                remedy=did_you_mean(topic, mine, "add a file for it to a folder that the app names in `topics`"),
            )
        if spec.compacted:
            raise ConfigError(
                f"agents use {topic!r}, which is compacted: a replay couldn't read again what compaction removed",
                where=str(spec.path),
                remedy="replace `cleanup: compact` by a `retention`",
            )


def _declared_twice(name: str, first: Path, second: Path) -> ConfigError:
    return ConfigError(
        f"topic {name!r} is declared already in {first}", where=str(second), remedy="remove or rename one of them"
    )
