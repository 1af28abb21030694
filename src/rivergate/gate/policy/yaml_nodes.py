"""YAML with positions: nodes that know where they stand, and columns inside scalars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from rivergate.gate.policy.errors import Place, PolicyError

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A policy's text and the name that its errors give."""

    file: str
    text: str

    def root(self) -> yaml.Node:
        """The document's node. Raises `PolicyError` for what isn't one YAML document."""
        if len(self.text) > MAX_BYTES:
            raise PolicyError("longer than 1 MB", file=self.file, remedy="split the policy")
        try:
            node = yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark or e.context_mark
            place = Place(self.file, mark.line + 1, mark.column + 1) if mark else None
            raise PolicyError(
                f"not YAML: {e.problem or e.context}", place, file=self.file, remedy="check indentation and quotes"
            ) from e
        except yaml.YAMLError as e:
            raise PolicyError(
                f"not YAML: {str(e).splitlines()[0]}", file=self.file, remedy="save it as UTF-8 text"
            ) from e
        if node is None:
            raise PolicyError("empty", file=self.file, remedy="start with `version: 1` and a list of `rules`")
        return node

    def place(self, node: yaml.Node) -> Place:
        """Where the node begins."""
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def place_inside(self, node: yaml.ScalarNode, line: int, column: int) -> Place:
        """Where a position inside a scalar's text stands in the file, whichever way the scalar is written.

        Writing styles differ in white space alone (and quotes), so the characters that aren't white space are
        counted up to the position and then counted off again in the file.
        """
        lines = node.value.split("\n")
        before = "\n".join([*lines[: line - 1], lines[line - 1][: column - 1] if line <= len(lines) else ""])
        left = sum(1 for c in before if not c.isspace())
        index, quote = _content_start(self.text, node)
        end = node.end_mark.index
        while index < end:
            c = self.text[index]
            if c.isspace():
                index += 1
                continue
            if (quote == '"' and c == "\\") or (quote == "'" and self.text[index : index + 2] == "''"):
                index += 1
            if left == 0:
                break
            left -= 1
            index += 1
        return self._at(index)

    def _at(self, index: int) -> Place:
        before = self.text[:index]
        return Place(self.file, before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _content_start(text: str, node: yaml.ScalarNode) -> tuple[int, str]:
    start = node.start_mark.index
    if node.style in ("'", '"'):
        return start + 1, node.style
    if node.style in ("|", ">"):
        return text.index("\n", start) + 1, ""
    return start, ""


class Mapping:
    """A mapping node whose keys are checked: each one known, each one once."""

    def __init__(self, source: Source, node: yaml.Node, what: str, known: Iterable[str] | None) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise PolicyError(f"{what} must be a mapping", source.place(node), remedy="write `key: value` lines")
        self.source = source
        self.node = node
        self.entries: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        allowed = None if known is None else sorted(known)
        for key, value in node.value:
            place = source.place(key)
            if not isinstance(key, yaml.ScalarNode):
                raise PolicyError(f"a key of {what} must be text", place)
            if key.value in self.entries:
                raise PolicyError(f"{what} has the key {key.value!r} twice", place, remedy="remove one of them")
            if allowed is not None and key.value not in allowed:
                raise PolicyError(
                    f"{what} has no key {key.value!r}", place, remedy=suggestion(key.value, allowed, "it may have")
                )
            self.entries[key.value] = (key, value)

    def get(self, key: str) -> yaml.Node | None:
        """The value's node, if the key is there."""
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def need(self, key: str, what: str) -> yaml.Node:
        """The value's node. Raises `PolicyError` where the key is missing."""
        node = self.get(key)
        if node is None:
            raise PolicyError(f"{what} lacks {key!r}", self.source.place(self.node), remedy=f"add `{key}:`")
        return node


def items(source: Source, node: yaml.Node, what: str) -> list[yaml.Node]:
    """The nodes of a list."""
    if not isinstance(node, yaml.SequenceNode):
        raise PolicyError(f"{what} must be a list", source.place(node), remedy="write `- item` lines")
    return list(node.value)


def text(source: Source, node: yaml.Node, what: str) -> str:
    """A scalar's text. Booleans and numbers keep their spelling, so `when: true` reads as the condition `true`."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXTUAL:
        raise PolicyError(f"{what} must be text", source.place(node))
    return str(node.value)


def scalar(source: Source, node: yaml.Node, what: str) -> Any:
    """A scalar's value: text, number or truth value."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXTUAL:
        raise PolicyError(f"{what} must be text, a number, true or false", source.place(node))
    return yaml.SafeLoader("").construct_object(node)


_TEXTUAL = {f"tag:yaml.org,2002:{t}" for t in ("str", "bool", "int", "float")}


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean 'kinds'?`, or all that there is."""
    choices = sorted(known)
    near = get_close_matches(name, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"{otherwise}: {', '.join(choices) or 'nothing'}"
