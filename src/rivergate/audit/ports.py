"""What `trace` and `explain` ask of an audit store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rivergate.audit.stored import Named, StoredRecord, StoredSpan
from rivergate.domain.record import Record

FetchRecord = Callable[[str, int, int], Record | None]
"""One record of the log by topic, partition and offset; None where it is no longer there."""


class AuditReader(Protocol):
    """Reads while the sink writes; sees whole batches only. One thread. Methods may raise `AuditStoreUnavailable`."""

    def find(self, prefix: str, limit: int = 10) -> Sequence[Named]:
        """Traces, proposals and events whose id is `prefix`, or if none is, begins with it; each kind and id once."""

    def trace(self, trace_id: str) -> Sequence[StoredSpan]:
        """The spans of a trace by start time."""

    def linking_to(self, trace_id: str) -> Sequence[StoredSpan]:
        """Spans of other traces that link to a span of this one, by start time: the batches that carried it."""

    def records_of(self, proposal_id: str) -> Sequence[StoredRecord]:
        """All that was recorded about a proposal, in order of `ce_time`; what stands under one time, by topic's place
        in the way of a proposal.
        """

    def records_about(self, event_id: str) -> Sequence[StoredRecord]:
        """Records about an event (proposals, labels, dead letters), in the same order."""

    def counts(self) -> dict[str, int]:
        """Number of records a topic's short name, of `spans`, and of `quarantined` span records."""

    def notes(self) -> Sequence[tuple[str, str]]:
        """What happened to the view itself (time, sentence): rebuilt, records gone before they were stored."""
