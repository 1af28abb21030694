"""The review store's fake for unit tests of what stands above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rivergate.domain.record import Record, TopicPartition
from rivergate.review.case import Case, State
from rivergate.review.fact import fact_of
from rivergate.review.ports import Query


class MemoryStore:
    """Cases in a dict. Lists open reviews and unresolved actions, which is all that these tests ask for."""

    def __init__(self) -> None:
        self.known: dict[str, Case] = {}
        self.changes = 0

    def positions(self) -> Mapping[TopicPartition, int]:
        """Nothing is remembered."""
        return {}

    def write(self, records: Sequence[Record]) -> None:
        """Merge."""
        for record in records:
            found = fact_of(record)
            if found is not None:
                pid, fact = found
                self.known[pid] = self.known.get(pid, Case(pid)).merged([fact])
                self.changes += 1

    def adopt_log(self, identity: str, ends: Mapping[TopicPartition, int]) -> str | None:
        """Any log will do."""
        return None

    def case(self, proposal_id: str) -> Case | None:
        """All that is known of a proposal."""
        return self.known.get(proposal_id)

    def ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Ids that begin with `prefix`."""
        shown = [p for p, c in self.known.items() if c.shown]
        return sorted(p for p in shown if p.startswith(prefix))[:limit]

    def cases(self, query: Query) -> Sequence[Case]:
        """Open reviews or unresolved actions."""
        if query.which == "unresolved":
            return [c for c in self.known.values() if c.unresolved]
        return [c for c in self.known.values() if c.state is State.OPEN and query.which in {"open", "all"}]

    def counts(self) -> Mapping[str, int]:
        """Of open reviews alone."""
        return {"open": len(self.cases(Query()))}

    def kinds(self) -> Sequence[str]:
        """Kinds of all cases."""
        return sorted({c.about.value["kind"] for c in self.known.values() if c.about})

    def version(self) -> int:
        """Grows with each record."""
        return self.changes

    def close(self) -> None:
        """Nothing to release."""
