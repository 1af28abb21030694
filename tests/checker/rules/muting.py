"""A shard that begins with history is muted until it has caught up, and from then on never again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.journals import Commit


def muting(e: Evidence) -> Iterator[Finding]:
    """Muted commits are those that they have to be, and write nothing but dead letters."""
    letters = f"{e.app}.dead_letters"
    for (stage, shard), chain in e.journals.chains.items():
        for commit in chain:
            if commit.value.get("muted") is not None and commit.value["outputs"].keys() - {letters}:
                yield Finding(Rule.SPOKE_MUTED, f"{commit.line.where}: {commit.value['outputs']}")
        if e.journals.first_kept(stage, shard) == 0:
            yield from _where_it_should(chain)


def _where_it_should(chain: Sequence[Commit]) -> Iterator[Finding]:
    began: dict[str, Any] | None = None
    at: dict[tuple[str, int], int] = {}
    for commit in chain:
        v = commit.value
        if (v.get("muted") is not None) != (began is not None):
            yield Finding(Rule.MUTED_WRONGLY, f"{commit.line.where}: began {began}")
        at |= {(t, p): end for t, p, _, end in commit.ranges}
        began = v.get("began") or began
        if began is None:
            continue
        beyond = [t for t, p, _, end in began["past"] if at.get((t, p), 0) > end]
        if beyond:
            yield Finding(Rule.MUTED_WRONGLY, f"{commit.line.where}: reads beyond the past of {beyond}")
        if v["clock"] >= began["at"] and all(at.get((t, p), 0) >= end for t, p, _, end in began["past"]):
            began = None
