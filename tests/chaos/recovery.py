"""Recovery: from the strike to the next commit that another owner wrote on the shard, by the broker's clock."""

from __future__ import annotations

from collections.abc import Iterable

from tests.chaos.strikes.arena import Hit
from tests.checker.journals import Journals

SAME_OWNER = ("kill-broker", "restart-broker")
"""Faults after which a shard comes back under the owner that it had."""


def recoveries(hits: Iterable[Hit], journals: Journals) -> list[tuple[str, float]]:
    """(fault, seconds) of every shard that was struck and had something to commit afterwards."""
    found = []
    for hit in hits:
        for commit in journals.chains.get((hit.stage, hit.shard), []):
            at_ms = commit.line.appended_ms
            if at_ms is None or at_ms < hit.at_ms:
                continue
            if commit.value["worker"] != hit.worker or hit.fault in SAME_OWNER:
                found.append((hit.fault, round((at_ms - hit.at_ms) / 1000, 3)))
                break
    return found
