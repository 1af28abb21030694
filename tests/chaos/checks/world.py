"""All that a round is judged by: what was fed, what the topics say at its end and said meanwhile, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.chaos.feeder import Fed
from tests.chaos.readers import Glimpse
from tests.checker.evidence import Evidence
from tests.checker.line import Line, Partition


@dataclass(frozen=True)
class World:
    """`meanwhile` is what each concurrent reader saw, `deeds` and `asked` the target's own ledger.

    `offsets_deleted` are places (group, partition) whose committed offsets a strike has deleted; `ends` says of each
    partition where it ended before the topics were read for the last time.
    """

    evidence: Evidence
    fed: Sequence[Fed]
    mark: int
    meanwhile: Mapping[str, Mapping[Partition, Sequence[Glimpse]]]
    deeds: Sequence[Mapping[str, Any]]
    asked: Sequence[Mapping[str, Any]]
    offsets_deleted: frozenset[tuple[str, Partition]] = field(default=frozenset())
    ends: Mapping[Partition, int] = field(default_factory=dict)

    @property
    def app(self) -> str:
        """Its name."""
        return self.evidence.app

    def lines(self, topic: str) -> Sequence[Line]:
        """Records of one of the app's own topics (`readings`, `seen`, `standings`)."""
        return self.evidence.lines.get(f"{self.app}-{topic}", ())

    @cached_property
    def seen(self) -> Sequence[Line]:
        """What the agent says it has taken in, in the order of the log."""
        return [x for x in self.lines("seen") if x.kind == "chaos.seen"]
