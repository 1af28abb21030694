"""All that is checked: an app's topics as they stand, and what they tell when put in order."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tests.checker.journals import Journals
from tests.checker.line import Line, Partition
from tests.checker.story import Story


@dataclass(frozen=True)
class Evidence:
    """Committed records of an app's topics and of the topics that its stages read and write, by full name.

    `lows` are the first offsets that are still there (0 where nothing is said), `committed` the offsets and metadata
    of each consumer group. `operator_key` (32 raw bytes), where it is known, is whose signature control records need.
    """

    app: str
    lines: Mapping[str, Sequence[Line]]
    partitions: Mapping[str, int]
    committed: Mapping[str, Mapping[Partition, tuple[int, str]]] = field(default_factory=dict)
    lows: Mapping[Partition, int] = field(default_factory=dict)
    settled: bool = True
    operator_key: bytes | None = None

    def of(self, name: str) -> Sequence[Line]:
        """Records of one of the app's system topics."""
        return self.lines.get(f"{self.app}.{name}", ())

    def is_ours(self, line: Line) -> bool:
        """Whether it counts as this app's: on a system topic, or with our `ce_source` on a user's."""
        return line.topic.startswith(f"{self.app}.") or line.header("ce_source").startswith(f"/rivergate/{self.app}/")

    @cached_property
    def journals(self) -> Journals:
        """Commits and what each of them wrote."""
        written = [x for lines in self.lines.values() for x in lines if self.is_ours(x)]
        return Journals(self.app, written, self.lows)

    @cached_property
    def story(self) -> Story:
        """Proposals and all that became of them, records that were skipped left out."""
        names = ("proposals", "reviews", "decisions", "actions", "denials", "outcomes")
        skipped = self.journals.skipped
        return Story({n: [x for x in self.of(n) if x.where not in skipped] for n in names})

    @cached_property
    def by_place(self) -> Mapping[str, Line]:
        """Every record by `topic/partition/offset`."""
        return {x.where: x for lines in self.lines.values() for x in lines}

    @cached_property
    def _offsets(self) -> Mapping[Partition, list[int]]:
        found: dict[Partition, list[int]] = defaultdict(list)
        for lines in self.lines.values():
            for x in lines:
                found[x.topic, x.partition].append(x.offset)
        return {k: sorted(v) for k, v in found.items()}

    def between(self, partition: Partition, start: int, end: int | None = None) -> list[int]:
        """Offsets of committed records in `[start, end)`; without `end`, of all from `start` on."""
        offsets = self._offsets.get(partition, [])
        return offsets[bisect_left(offsets, start) : None if end is None else bisect_left(offsets, end)]
