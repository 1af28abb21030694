"""Skipped records and dead letters, both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line


def letters(e: Evidence) -> Iterator[Finding]:
    """One letter for each record that a commit skipped, written by that commit, with the record's bytes."""
    found = Counter((x.commit, x.header("rg_origin")) for x in e.of("dead_letters"))
    wanted = Counter((c.name, place) for c in e.journals.by_name.values() for place in c.skipped)
    for (commit, place), n in wanted.items():
        if n != 1 or found[commit, place] != 1:
            yield Finding(Rule.NO_LETTER, f"{commit} skipped {place}: {found[commit, place]} letters")
    for line in e.of("dead_letters"):
        if (line.commit, line.header("rg_origin")) not in wanted:
            yield Finding(Rule.LETTER_OF_NOTHING, f"{line.where}: {line.header('rg_origin')!r} by {line.commit!r}")
        if not line.headers.get("rg_reason"):
            yield Finding(Rule.HEADERS_MISSING, f"{line.where}: rg_reason")
        original = e.by_place.get(line.header("rg_origin"))
        if original is not None and _content(original) != _content(line):
            yield Finding(Rule.LETTER_DIFFERS, f"{line.where} from {original.where}")


def _content(line: Line) -> tuple[bytes, bytes, dict[str, bytes]]:
    return line.key, line.value, {k: v for k, v in line.headers.items() if not k.startswith("rg_")}
