"""What doesn't add up in the records of a proposal. An auditor wants to hear it before anything else."""

from __future__ import annotations

from collections.abc import Sequence

from rivergate.audit.stored import StoredRecord
from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import arguments_digest

_WITH_ARGUMENTS = (names.PROPOSAL_V1, names.REVIEW_OPENED_V1, names.ACTION_V1)


def findings_of(records: Sequence[StoredRecord]) -> tuple[str, ...]:
    """Sentences, most of the time none. What was set aside counts as nothing that was said or done."""
    records = [r for r in records if not r.set_aside]
    found = [f"{r.position} can't be read: {r.fault}" for r in records if r.fault]
    found += _digests(records)
    found += _repeats(records)
    found += _missing(records)
    return tuple(found)


def _of(records: Sequence[StoredRecord], ce_type: str) -> list[StoredRecord]:
    return [r for r in records if r.ce_type == ce_type]


def _digests(records: Sequence[StoredRecord]) -> list[str]:
    """Digests are computed again; what a person saw must be what is done."""
    found = []
    for r in records:
        v = r.value
        if r.ce_type in _WITH_ARGUMENTS and isinstance(v.get("arguments"), dict):
            try:
                own = arguments_digest(str(v.get("kind")), v["arguments"])
            except BadInput:
                own = ""
            if own != v.get("arguments_digest"):
                found.append(f"the arguments at {r.position} don't have the digest that the record claims")
    for action in _of(records, names.ACTION_V1):
        counted = {str(x) for x in action.value.get("decisions") or ()}
        for decision in _of(records, names.DECISION_V1):
            v = decision.value
            seen = v.get("new_arguments_digest") or v.get("arguments_digest")
            if v.get("decision_id") in counted and seen != action.value.get("arguments_digest"):
                found.append(f"decision {v.get('decision_id')} was given for other arguments than the action's")
    return found


def _repeats(records: Sequence[StoredRecord]) -> list[str]:
    """What must stand once stands twice."""
    found = []
    proposals = {r.raw for r in _of(records, names.PROPOSAL_V1)}
    if len(proposals) > 1:
        found.append(f"{len(proposals)} proposals under this id say different things; the first was judged")
    for ce_type, what in (
        (names.ACTION_V1, "actions"),
        (names.DENIAL_V1, "denials"),
        (names.REVIEW_OPENED_V1, "openings of its review"),
        (names.REVIEW_SETTLED_V1, "ends of its review"),
    ):
        times = len(_of(records, ce_type))
        if times > 1:
            found.append(f"there are {times} {what}, where one may be")
    if _of(records, names.ACTION_V1) and _of(records, names.DENIAL_V1):
        found.append("there is an action and a denial, where one of them may be")
    final = [r for r in _of(records, names.OUTCOME_V1) if r.value.get("status") != "unknown"]
    if len(final) > 1:
        found.append(f"there are {len(final)} final outcomes, where one may be")
    return found


def _missing(records: Sequence[StoredRecord]) -> list[str]:
    """What must come before something else isn't there."""
    types = {r.ce_type for r in records}
    found = []
    if names.PROPOSAL_V1 not in types:
        found.append("the proposal itself isn't in the audit store: retention removed it, or it hasn't been read yet")
    done = [r for r in _of(records, names.OUTCOME_V1) if r.value.get("status") != "refused"]
    if done and names.INTENT_V1 not in types:
        found.append("there is an outcome without the intent that must come before it")
    if names.OUTCOME_V1 in types and names.ACTION_V1 not in types:
        found.append("there is an outcome without an action")
    return found
