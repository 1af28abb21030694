"""What was read: every committed record once, by one shard, and in a settled app to the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.journals import Commit
from tests.checker.line import Partition

INPUTS = {"gate": ("proposals", "decisions", "outcomes", "control"), "effects": ("actions",)}
"""System topics that a stage reads whole, whatever its journal says."""


def reading(e: Evidence) -> Iterator[Finding]:
    """Ranges of each shard meet without gap or overlap, and no partition has two readers."""
    readers: dict[tuple[str, Partition], set[int]] = defaultdict(set)
    for (stage, shard), chain in e.journals.chains.items():
        yield from _shard(e, chain, whole=e.journals.first_kept(stage, shard) == 0)
        for commit in chain:
            for topic, partition, _, _ in commit.ranges:
                if topic not in commit.value["broadcast"]:
                    readers[stage, (topic, partition)].add(shard)
    for (stage, (topic, partition)), shards in readers.items():
        if len(shards) > 1:
            yield Finding(Rule.TWO_READERS, f"{topic}/{partition} by shards {sorted(shards)} of {stage}")


def _shard(e: Evidence, chain: Sequence[Commit], *, whole: bool) -> Iterator[Finding]:
    at: dict[Partition, int] = {}
    for commit in chain:
        for topic, partition, start, end in commit.ranges:
            before = at.get((topic, partition), 0 if whole else start)
            if start < before or end < start:
                yield Finding(Rule.READ_TWICE, f"{commit.line.where}: {topic}/{partition} [{start}, {end}) at {before}")
            gone = e.between((topic, partition), before, start)
            if gone:
                yield Finding(Rule.UNREAD, f"{commit.line.where}: {topic}/{partition} {gone[:3]} by {commit.stage}")
            at[topic, partition] = end
        if not whole:
            continue
        for topic, partition, offset in commit.value["open"]:
            if offset >= at.get((topic, partition), 0):
                yield Finding(Rule.OPEN_UNREAD, f"{commit.line.where}: {topic}/{partition}/{offset}")


def rest(e: Evidence) -> Iterator[Finding]:
    """In a settled app no input is left and nothing is open."""
    if not e.settled:
        return
    ends: dict[str, dict[Partition, int]] = {s: {} for s in e.journals.stages}
    for (stage, _), chain in e.journals.chains.items():
        for commit in chain:
            ends[stage].update({(t, p): b for t, p, _, b in commit.ranges})
        if chain[-1].value["open"]:
            yield Finding(Rule.UNSETTLED, f"{chain[-1].line.where}: open {chain[-1].value['open'][:3]}")
    for stage, found in ends.items():
        topics = {t for t, _ in found} | {f"{e.app}.{n}" for n in INPUTS.get(stage, ())}
        for partition in [(t, p) for t in sorted(topics) for p in range(e.partitions.get(t, 0))]:
            left = e.between(partition, found.get(partition, 0))
            if left:
                yield Finding(Rule.UNSETTLED, f"{stage} has {len(left)} of {partition[0]}/{partition[1]} before it")
