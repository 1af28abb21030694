"""The whole wire contract, by the repository's own checker of topics, in the words of the summary."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.world import World
from tests.chaos.findings import Found, Kind
from tests.checker import Rule, judge
from tests.checker.finding import Finding

KINDS: dict[Kind, frozenset[Rule]] = {
    Kind.LOST: frozenset(
        {
            Rule.NO_END,
            Rule.UNREAD,
            Rule.UNSETTLED,
            Rule.TORN_COMMIT,
            Rule.NO_LETTER,
            Rule.NOTHING_THERE,
            Rule.ORDINAL_GAP,
        }
    ),
    Kind.DOUBLED: frozenset(
        {Rule.DOUBLED, Rule.SEVERAL_ENDS, Rule.READ_TWICE, Rule.TWO_READERS, Rule.AFTER_FINAL, Rule.OF_NO_COMMIT}
    ),
    Kind.DIGEST_MISMATCH: frozenset({Rule.WRONG_DIGEST, Rule.CHAIN_BROKEN}),
    Kind.JOURNAL_GAPS: frozenset(
        {
            Rule.JOURNAL_GAP,
            Rule.EPOCH_BACK,
            Rule.CLOCK_BACK,
            Rule.CLOCK_AHEAD,
            Rule.WRONG_SHARD,
            Rule.SNAPSHOT_AHEAD,
            Rule.OPEN_UNREAD,
            Rule.OFFSET_DIFFERS,
            Rule.NO_METADATA,
        }
    ),
}
"""Everything else is `unexplained`."""


def contract(world: World) -> Iterator[Found]:
    """Each finding of the checker. A committed offset that a strike deleted, and nothing read since, may be missing."""
    for finding in judge(world.evidence):
        if not _was_deleted(world, finding):
            yield Found(kind_of(finding.rule), "wire", str(finding))


def kind_of(rule: Rule) -> Kind:
    """Under which counter a rule of the contract goes."""
    return next((kind for kind, rules in KINDS.items() if rule in rules), Kind.UNEXPLAINED)


def _was_deleted(world: World, finding: Finding) -> bool:
    if finding.rule not in {Rule.OFFSET_DIFFERS, Rule.NO_METADATA}:
        return False
    for group, (topic, partition) in world.offsets_deleted:
        offset, _ = world.evidence.committed.get(group, {}).get((topic, partition), (0, ""))
        if offset < 0 and finding.what.startswith(f"{group} {topic}/{partition}:"):
            return True
    return False
