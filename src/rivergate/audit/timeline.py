"""The timeline of a proposal: one line a record, in the order of the log's clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rivergate.audit.explanation import Moment
from rivergate.audit.stored import StoredRecord
from rivergate.domain import names

_SAID: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    names.PROPOSAL_V1: ("", lambda v: f"proposed {v.get('kind', '')}"),
    names.WITHDRAWAL_V1: ("", lambda _: "withdrawn"),
    names.REVIEW_OPENED_V1: ("gate", lambda v: f"review opened, tier {v.get('tier')}"),
    names.REVIEW_AMENDED_V1: ("gate", lambda v: f"review revision {v.get('revision')}: {v.get('because')}"),
    names.DECISION_V1: ("", lambda v: f"decided: {v.get('verdict')}"),
    names.DECISION_JUDGED_V1: ("gate", lambda v: f"decision {v.get('result')}"),
    names.REVIEW_SETTLED_V1: ("gate", lambda v: f"review settled: {v.get('result')}"),
    names.ACTION_V1: ("gate", lambda _: "action written"),
    names.DENIAL_V1: ("gate", lambda _: "denied"),
    names.INTENT_V1: ("effects", lambda v: f"about to act, attempt {v.get('attempt')}"),
    names.OUTCOME_V1: ("", lambda v: f"outcome: {v.get('status')}"),
    names.RESOLUTION_V1: ("", lambda v: f"resolved by hand: {v.get('status')}"),
    names.LABEL_V1: ("", lambda v: f"label from {v.get('source')}"),
}


def timeline_of(records: Sequence[StoredRecord]) -> tuple[Moment, ...]:
    """One moment a record."""
    return tuple(map(_moment, records))


def _moment(record: StoredRecord) -> Moment:
    value = record.value
    who, say = _SAID.get(record.ce_type, ("", lambda _: record.ce_type or f"{record.name} record"))
    if record.set_aside:
        what = f"set aside ({say(value)}): {record.fault}"
        return Moment(at=record.ce_time, what=what, who=record.stage, place=str(record.position))
    source = next((v.decode(errors="replace") for k, v in record.headers if k == "ce_source"), "")
    person_or_agent = str(value.get("by") or value.get("agent") or "")
    own = person_or_agent if record.ce_type in {names.PROPOSAL_V1, names.DECISION_V1, names.RESOLUTION_V1} else ""
    return Moment(
        at=record.ce_time, what=say(value), who=own or who or source.rpartition("/")[2], place=str(record.position)
    )
