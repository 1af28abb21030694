"""Recovery: from the strike to the next commit that another owner wrote on the shard, by the broker's clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tests.chaos.strikes.arena import Hit
from tests.checker.evidence import Evidence
from tests.checker.journals import Commit
from tests.checker.line import Line

SAME_OWNER = ("kill-broker", "restart-broker")
"""Faults after which a shard comes back under the owner that it had."""
IDLE_MS = 500


def recoveries(hits: Iterable[Hit], evidence: Evidence) -> list[tuple[str, float]]:
    """(fault, seconds) of every shard that was struck while it had something to do: one to which nothing came within
    `IDLE_MS` of the strike would have committed as late without it.
    """
    found = []
    for hit in hits:
        commit = _next(hit, evidence)
        if commit is None or commit.line.appended_ms is None:
            continue
        came_ms = _first_arrival(commit, evidence)
        if came_ms is None or came_ms <= hit.at_ms + IDLE_MS:
            found.append((hit.fault, round((commit.line.appended_ms - hit.at_ms) / 1000, 3)))
    return found


def _next(hit: Hit, evidence: Evidence) -> Commit | None:
    for commit in evidence.journals.chains.get((hit.stage, hit.shard), []):
        if (commit.line.appended_ms or 0) < hit.at_ms:
            continue
        if commit.value["worker"] != hit.worker or hit.fault in SAME_OWNER:
            return commit
    return None


def _first_arrival(commit: Commit, evidence: Evidence) -> int | None:
    """When the first record that the commit read came, in milliseconds; None for a commit that read nothing."""
    times = [
        _came_ms(evidence.by_place[f"{topic}/{partition}/{offset}"], evidence)
        for topic, partition, start, end in commit.value["ranges"]
        for offset in evidence.between((topic, partition), start, end)[:1]
    ]
    return min((t for t in times if t is not None), default=None)


def _came_ms(line: Line, evidence: Evidence) -> int | None:
    """The broker's time of it or of the commit that wrote it, else the producer's."""
    if line.appended_ms is not None:
        return line.appended_ms
    stage, _, rest = line.commit.partition("/")
    for commit in evidence.journals.chains.get((stage, int(rest.partition("/")[0])), []) if rest else []:
        if commit.name == line.commit:
            return commit.line.appended_ms
    time = line.header("ce_time")
    return int(datetime.fromisoformat(time).timestamp() * 1000) if time else None
