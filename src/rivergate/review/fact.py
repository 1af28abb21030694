"""`Fact`: what one record of the log says about one proposal, and the slot that it fills."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any, Final

from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339, rfc3339
from rivergate.domain.record import Record
from rivergate.domain.wire import read

TOPICS: Final = (
    names.PROPOSALS,
    names.REVIEWS,
    names.DECISIONS,
    names.ACTIONS,
    names.DENIALS,
    names.OUTCOMES,
)
"""System topics that the view is made of."""

_SINGLE: Final = {
    names.PROPOSAL_V1: "proposal",
    names.WITHDRAWAL_V1: "withdrawal",
    names.REVIEW_OPENED_V1: "opened",
    names.REVIEW_SETTLED_V1: "settled",
    names.ACTION_V1: "action",
    names.DENIAL_V1: "denial",
}
_MANY: Final = {
    names.REVIEW_AMENDED_V1: ("amended", "revision"),
    names.DECISION_V1: ("decision", "decision_id"),
    names.DECISION_JUDGED_V1: ("judged", "decision_id"),
    names.INTENT_V1: ("intent", "attempt"),
}
_EACH: Final = {names.OUTCOME_V1: "outcome", names.RESOLUTION_V1: "resolution"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One record, decoded. `at` is its `ce_time` (RFC 3339), `key` the record's key in base64.

    `slot` names its place in a case: of several records for one slot the first on the log binds.
    """

    slot: str
    topic: str
    partition: int
    offset: int
    at: str
    type: str
    traceparent: str
    key: str | None
    value: dict[str, Any]

    @property
    def order(self) -> tuple[str, int, int]:
        """Total order of facts; within a partition that of the log."""
        return self.topic, self.partition, self.offset

    def to_json(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)

    @property
    def key_bytes(self) -> bytes | None:
        """The record's key."""
        return None if self.key is None else base64.b64decode(self.key)


def fact_of(record: Record) -> tuple[str, Fact] | None:
    """(proposal id, fact) of a record; None where the view has no use for its type.

    Raises `BadInput` for a record that breaks the wire contract.
    """
    ce_type = record.ce_type
    if ce_type not in _SINGLE and ce_type not in _MANY and ce_type not in _EACH:
        return None
    value = read(record).model_dump(mode="json", by_alias=True)
    return value["proposal_id"], Fact(
        slot=_slot(ce_type, value, record),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=_time_of(record),
        type=ce_type,
        traceparent=(record.header("traceparent") or b"").decode(errors="replace"),
        key=None if record.key is None else base64.b64encode(record.key).decode(),
        value=value,
    )


def _slot(ce_type: str, value: dict[str, Any], record: Record) -> str:
    if ce_type in _SINGLE:
        return _SINGLE[ce_type]
    if ce_type in _MANY:
        slot, field = _MANY[ce_type]
        return f"{slot}/{value[field]}"
    if ce_type == names.RESOLUTION_V1 and record.header("ce_id"):
        return f"resolution/{(record.header('ce_id') or b'').decode(errors='replace')}"
    return f"{_EACH[ce_type]}/{record.partition}/{record.offset}"


def _time_of(record: Record) -> str:
    """`ce_time`, in our one form; the broker's time where the header is missing or malformed."""
    try:
        return rfc3339(parse_rfc3339((record.header("ce_time") or b"").decode()))
    except (ValueError, OverflowError):
        return rfc3339(record.timestamp_ms * 1000)
