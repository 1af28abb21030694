"""Journals as chains: numbers without gaps, digests that hold on to one another, clocks and epochs that grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tests.checker.digests import GENESIS
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.journals import Commit

AHEAD = timedelta(seconds=61)


def chains(e: Evidence) -> Iterator[Finding]:
    """Every shard's journal from its first kept record on."""
    if not e.journals.chains:
        yield Finding(Rule.NOTHING_THERE, f"no journal of {e.app}")
    for (stage, shard), chain in e.journals.chains.items():
        yield from _links(chain, whole=e.journals.first_kept(stage, shard) == 0)
        for commit in chain:
            yield from _record(commit)


def _links(chain: Sequence[Commit], *, whole: bool) -> Iterator[Finding]:
    first = chain[0].value
    seq, digest = (0, GENESIS) if whole else (first["seq"], first["previous"])
    epoch, clock = 0, ""
    for commit in chain:
        v = commit.value
        if v["seq"] != seq:
            yield Finding(Rule.JOURNAL_GAP, f"{commit.line.where}: {v['seq']} where {seq} was due")
        if v["previous"] != digest:
            yield Finding(Rule.CHAIN_BROKEN, f"{commit.line.where}: {v['previous'][:12]} after {digest[:12]}")
        if v["epoch"] < epoch:
            yield Finding(Rule.EPOCH_BACK, f"{commit.line.where}: {v['epoch']} after {epoch}")
        if v["clock"] < clock:
            yield Finding(Rule.CLOCK_BACK, f"{commit.line.where}: {v['clock']} after {clock}")
        seq, digest, epoch, clock = v["seq"] + 1, v["digest"], v["epoch"], v["clock"]


def _record(commit: Commit) -> Iterator[Finding]:
    v, where = commit.value, commit.line.where
    if (v["stage"], v["shard"]) != (commit.stage, commit.shard):
        yield Finding(Rule.WRONG_SHARD, f"{where}: {v['stage']}/{v['shard']}")
    if v["snapshot"] is not None and not v["snapshot"]["seq"] <= commit.seq:
        yield Finding(Rule.SNAPSHOT_AHEAD, f"{where}: {v['snapshot']['seq']}")
    try:
        clock = datetime.fromisoformat(v["clock"])
    except ValueError:
        yield Finding(Rule.WRONG_TIME, f"{where}: clock {v['clock']!r}")
        return
    if commit.line.appended_ms is not None:
        appended = datetime.fromtimestamp(commit.line.appended_ms / 1000, UTC)
        if clock - appended > AHEAD:
            yield Finding(Rule.CLOCK_AHEAD, f"{where}: {clock} appended at {appended}")
