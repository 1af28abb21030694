"""Committed offsets are the ends of the newest ranges and name the commit that read last."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.journals import Commit
from tests.checker.line import Partition


def committed(e: Evidence) -> Iterator[Finding]:
    """Of every stage's consumer group."""
    newest: dict[str, dict[Partition, tuple[int, Commit]]] = {s: {} for s in e.journals.stages}
    for (stage, _), chain in e.journals.chains.items():
        for commit in chain:
            for topic, partition, _, end in commit.ranges:
                if topic not in commit.value["broadcast"]:
                    newest[stage][topic, partition] = (end, commit)
    for stage, ends in newest.items():
        group = f"{e.app}.{stage}"
        found = e.committed.get(group, {})
        for place, (end, commit) in ends.items():
            offset, metadata = found.get(place, (-1001, ""))
            yield from _compare(f"{group} {place[0]}/{place[1]}", offset, metadata, end, commit)


def _compare(where: str, offset: int, metadata: str, end: int, commit: Commit) -> Iterator[Finding]:
    if offset != end:
        yield Finding(Rule.OFFSET_DIFFERS, f"{where}: {offset}, journal {end}")
    try:
        note = json.loads(metadata)
        told = (note["seq"], note["digest"])
    except (ValueError, KeyError, TypeError):
        yield Finding(Rule.NO_METADATA, f"{where}: {metadata[:60]!r}")
        return
    if told != (commit.seq, commit.value["digest"]):
        yield Finding(Rule.OFFSET_DIFFERS, f"{where}: names commit {told[0]}, journal {commit.seq}")
