"""Proposals: what their ids and digests follow from, which event they name, and how they end."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from tests.checker.digests import sha256_of
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line, Partition

DIGESTED = ("proposals", "reviews", "actions")


def ids_and_digests(e: Evidence) -> Iterator[Finding]:
    """Nothing about a proposal is taken on trust: ids, ordinals and digests are computed again."""
    if not e.story.proposals:
        yield Finding(Rule.NOTHING_THERE, f"no proposal of {e.app}")
    ordinals: dict[tuple[str, str], list[int]] = defaultdict(list)
    for proposal_id, line in e.story.proposals.items():
        v = line.json or {}
        wanted = sha256_of([e.app, v.get("agent"), v.get("event_id"), v.get("ordinal")])[:32]
        if (proposal_id, v.get("app")) != (wanted, e.app):
            yield Finding(Rule.WRONG_ID, f"{line.where}: {proposal_id} should be {wanted}")
        if isinstance(v.get("ordinal"), int):
            ordinals[str(v.get("agent")), str(v.get("event_id"))].append(v["ordinal"])
    for (agent, event_id), found in ordinals.items():
        if sorted(found) != list(range(len(found))):
            yield Finding(Rule.ORDINAL_GAP, f"{agent} on {event_id}: {sorted(found)}")
    yield from _digests(e)


def _digests(e: Evidence) -> Iterator[Finding]:
    kinds = {i: x.get("kind") for i, x in e.story.proposals.items()}
    for name in DIGESTED:
        for line in e.of(name):
            if "arguments_digest" not in (line.json or {}) or line.where in e.journals.skipped:
                continue
            kind = line.get("kind", kinds.get(str(line.get("proposal_id"))))
            if line.get("arguments_digest") != sha256_of({"kind": kind, "arguments": line.get("arguments")}):
                yield Finding(Rule.WRONG_ARGUMENTS_DIGEST, line.where)
    for lines in (e.story.proposals, e.story.actions, e.story.denials):
        for proposal_id, line in lines.items():
            if line.header("ce_id") != proposal_id:
                yield Finding(Rule.WRONG_ID, f"{line.where}: ce_id {line.header('ce_id')!r}")


def events(e: Evidence) -> Iterator[Finding]:
    """The event is there, has the id that is named, and the proposing stage has read it."""
    read: dict[tuple[str, Partition], list[tuple[int, int]]] = defaultdict(list)
    for commit in e.journals.by_name.values():
        for topic, partition, start, end in commit.ranges:
            read[commit.stage, (topic, partition)].append((start, end))
    for spans in read.values():
        spans.sort()
    for line in e.story.proposals.values():
        place = line.get("event") or {}
        source, offset = (str(place.get("topic")), int(place.get("partition", -1))), int(place.get("offset", -1))
        event = e.by_place.get(f"{source[0]}/{source[1]}/{offset}")
        if event is None and offset >= e.lows.get(source, 0):
            yield Finding(Rule.WRONG_EVENT, f"{line.where}: there is no {place}")
        elif event is not None and event.event_id != line.get("event_id"):
            yield Finding(Rule.WRONG_EVENT, f"{line.where}: {event.where} is {event.event_id}")
        stage = line.commit.partition("/")[0]
        if stage and not _covers(read[stage, source], offset) and not _is_trimmed(e, stage, line):
            yield Finding(Rule.FROM_NOWHERE, f"{line.where}: {stage} never read {place}")


def _covers(ranges: list[tuple[int, int]], offset: int) -> bool:
    i = bisect_right(ranges, (offset, 1 << 62)) - 1
    return i >= 0 and ranges[i][0] <= offset < ranges[i][1]


def _is_trimmed(e: Evidence, stage: str, line: Line) -> bool:
    """Whether the commit may have been trimmed from the journal."""
    shard = line.commit.split("/")[1]
    return shard.isdigit() and e.journals.first_kept(stage, int(shard)) > 0


def ends(e: Evidence) -> Iterator[Finding]:
    """Each ends as exactly one of an action, a denial, an open review; none of these comes without a proposal."""
    s = e.story
    yield from s.problems
    for proposal_id, line in s.proposals.items():
        found = [n for n, lines in (("action", s.actions), ("denial", s.denials)) if proposal_id in lines]
        found += ["open review"] if s.is_open(proposal_id) else []
        if not found:
            yield Finding(Rule.NO_END, f"{proposal_id} ({line.where})")
        elif len(found) > 1:
            yield Finding(Rule.SEVERAL_ENDS, f"{proposal_id} ({line.where}): {' and '.join(found)}")
        if e.settled and s.is_open(proposal_id):
            yield Finding(Rule.UNSETTLED, f"the review of {proposal_id} is open")
    for lines in (s.actions, s.denials, s.opened):
        for proposal_id, line in lines.items():
            if proposal_id not in s.proposals:
                yield Finding(Rule.FROM_NOWHERE, f"{line.kind} {line.where} has no proposal")
