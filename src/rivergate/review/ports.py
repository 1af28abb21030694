"""What the review queue needs from its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rivergate.domain.record import TopicPartition
from rivergate.ports import Sink
from rivergate.review.case import Case

UNRESOLVED = "unresolved"
SETTLED = "settled"
ALL = "all"
"""What a list can be asked for beside `open` and the results of settled reviews: see `Query.which`."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which cases, and how many. Open reviews come by deadline, the oldest first; all others newest first."""

    which: str = "open"
    kind: str = ""
    limit: int = 200
    offset: int = 0


class ReviewStore(Sink, Protocol):
    """A view of the log in a database, with the positions that it stands for. Any thread may read; one writes."""

    def adopt_log(self, identity: str, ends: Mapping[TopicPartition, int]) -> str | None:
        """Say which log this is (the topics' ids) and where its partitions end, before anything is written.

        A view of another log, or one that is ahead of the log's end, is emptied, so that it is rebuilt: the
        reason is returned, None where the view holds.
        """

    def case(self, proposal_id: str) -> Case | None:
        """All that is known of a proposal."""

    def ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Ids of reviews and unresolved actions that begin with `prefix`, sorted."""

    def cases(self, query: Query) -> Sequence[Case]:
        """The cases that are asked for."""

    def counts(self) -> Mapping[str, int]:
        """How many reviews are in each state, and how many actions are `unresolved`; zeros are left out."""

    def kinds(self) -> Sequence[str]:
        """Kinds that reviews and unresolved actions have, sorted."""

    def version(self) -> int:
        """A number that grows whenever a review or an unresolved action changes."""

    def close(self) -> None:
        """Release the connections."""
