"""Which snapshots of a shard are kept: the newest ones to recover from, older ones to look back from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rivergate.domain.clock import Micros
from rivergate.domain.journal import SnapshotRef
from rivergate.domain.record import TopicPartition

HOUR: Micros = 3_600_000_000
DAY: Micros = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored snapshot, the shard's clock in it, and where it stands on each input."""

    ref: SnapshotRef
    clock: Micros
    positions: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many: the newest ones, and beside them the newest of each of so many hours and days."""

    newest: int = 10
    hours: int = 24
    days: int = 30

    def superfluous(
        self, stored: Iterable[Kept], newest_seq: int, lowest: Mapping[TopicPartition, int]
    ) -> list[SnapshotRef]:
        """Those that may be deleted, oldest first. `lowest` has the first offset that an input still holds, where known.

        A snapshot from which nothing can be replayed any more, since records after it are gone, isn't kept; the newest
        always is, for a shard may have read everything. What is ahead of `newest_seq` isn't touched: it is a successor's,
        or of another log, and then nobody recovers from it.
        """
        ours = sorted((k for k in stored if k.ref.seq <= newest_seq), key=lambda k: k.ref.seq, reverse=True)
        leads_on = [k for k in ours if all(k.positions.get(tp, low) >= low for tp, low in lowest.items())]
        kept = {k.ref for k in (*ours[:1], *leads_on[: self.newest])}
        for length, count in ((HOUR, self.hours), (DAY, self.days)):
            newest_of: dict[int, SnapshotRef] = {}
            for k in leads_on:
                newest_of.setdefault(k.clock // length, k.ref)
            kept |= {newest_of[span] for span in sorted(newest_of, reverse=True)[:count]}
        return [k.ref for k in reversed(ours) if k.ref not in kept]


KEEPING = Keeping()
