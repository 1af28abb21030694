"""A YAML file with the places of its fields, so that an error can name the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rivergate.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A parsed mapping and where in its file each part stands."""

    path: Path
    value: dict[str, Any]
    _root: yaml.MappingNode

    @classmethod
    def parse(cls, path: Path, text: str) -> YamlSource:
        """Raises `ConfigError` with file, line and column for what isn't one YAML mapping with distinct keys."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            value = yaml.safe_load(text)
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark
            where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
            raise ConfigError(f"not YAML: {e.problem or e}", where=where, remedy=_SYNTAX) from e
        except yaml.YAMLError as e:
            raise ConfigError(f"not YAML: {e}", where=str(path), remedy=_SYNTAX) from e
        if not isinstance(root, yaml.MappingNode) or not isinstance(value, dict):
            raise ConfigError(
                "not a mapping of fields", where=f"{path}:1", remedy="write `name: …` and the other fields"
            )
        _refuse_repeats(path, root)
        return cls(path, value, root)

    def where(self, place: Sequence[str | int] = ()) -> str:
        """`file:line` of the innermost part of this path that exists."""
        node: yaml.Node = self._root
        line = node.start_mark.line
        for step in place:
            if isinstance(node, yaml.MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return f"{self.path}:{line + 1}"


_SYNTAX = "mend the syntax; text that holds `: `, `#` or begins with { [ * & needs quotes"


def _refuse_repeats(path: Path, node: yaml.Node) -> None:
    """YAML's own reader lets the last of equal keys win, silently."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise ConfigError(
                f"{key.value!r} is written twice, first in line {seen[key.value]}",
                where=f"{path}:{line}",
                remedy="keep one of them",
            )
        seen[key.value] = line
        _refuse_repeats(path, value)
