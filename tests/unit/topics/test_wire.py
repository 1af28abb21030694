from __future__ import annotations

from typing import Any

import orjson
import pytest

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Position, Record
from rivergate.domain.wire import WIRE_MODELS, MessageRecord, OutcomeRecord, WireRecord, read

PID = "0123456789abcdef" * 2
DIGEST = "0123456789abcdef" * 4
AT = "2026-01-31T12:00:00.000001Z"
EVENT = {"topic": "telemetry", "partition": 1, "offset": 2}
SIGNED = {"key_id": "k", "signature": "s"}

COMMON = {"proposal_id": PID, "event_id": "telemetry/1/2", "event": EVENT, "expires_at": AT}
ARGUMENTS = {"kind": "inspect", "arguments": {"line": "a"}, "arguments_digest": DIGEST}
DECISION = {
    "decision_id": "d", "proposal_id": PID, "revision": 0, "verdict": "approve", "arguments_digest": DIGEST, "by": "reviewer-1",
    "note": "", "decided_at": AT, "auth_method": "password", "auth_time": AT, **SIGNED,
}  # fmt: skip
REVIEW = {"policy_digest": DIGEST, "tier": 1, "quorum": 1, "makers": ["a"]}

EXAMPLES: dict[str, dict[str, Any]] = {
    names.PROPOSAL_V1: {**COMMON, **ARGUMENTS, "app": "x", "agent": "a", "confidence": 0.5, "reasons": [], "ordinal": 0},
    names.WITHDRAWAL_V1: {"proposal_id": PID, "reason": "no longer needed"},
    names.REVIEW_OPENED_V1: {**COMMON, **ARGUMENTS, **REVIEW, "revision": 0, "rules": ["r"]},
    names.REVIEW_AMENDED_V1: {
        "proposal_id": PID, "revision": 1, "arguments": {}, "arguments_digest": DIGEST, **REVIEW, "because": "edited",
    },
    names.DECISION_JUDGED_V1: {
        "decision_id": "d", "proposal_id": PID, "revision": 0, "result": "counted", "reason": "", "approvals": 1, "needed": 1,
    },
    names.REVIEW_SETTLED_V1: {"proposal_id": PID, "result": "approved", "decisions": ["d"]},
    names.DECISION_V1: DECISION,
    names.ACTION_V1: {
        **COMMON, **ARGUMENTS, "policy_digest": DIGEST, "verdict": "allow", "rules": [{"rule": "r"}], "decisions": [],
    },
    names.DENIAL_V1: {"proposal_id": PID, "policy_digest": DIGEST, "rules": [], "reason": "no rule", "event": EVENT},
    names.INTENT_V1: {"proposal_id": PID, "attempt": 1, "not_after": AT},
    names.OUTCOME_V1: {"proposal_id": PID, "status": "done", "detail": "", "event_id": "e", "event": EVENT},
    names.RESOLUTION_V1: {"proposal_id": PID, "status": "done", "by": "reviewer-1", "note": "", **SIGNED},
    names.LABEL_V1: {"event_id": "e", "event": EVENT, "value": True, "source": "topic"},
    names.RESPONSE_V1: {},
    names.MESSAGE_V1: {"to": "a", "from": "b", "message": {}},
    names.POLICY_PUSHED_V1: {
        **SIGNED, "policy_digest": DIGEST, "source": "…", "file": "policy.yaml", "schemas": {}, "by": "operator", "issued_at": AT,
    },
    names.KEY_TRUSTED_V1: {
        **SIGNED, "key_id_of_key": "k", "public_key": "…", "role": "review", "by": "operator", "issued_at": AT,
    },
    names.CONTROL_APPLIED_V1: {
        "control": EVENT, "what": "policy", "result": "applied", "reason": "", "policy_digest": DIGEST, "by": "operator", "at": AT,
    },
    names.ASSIGNMENT_V1: {"stage": "gate", "at": AT, "shards": {"0": "gate-0-a"}, "attempts": {"0": 0}},
    names.SHARD_STATUS_V1: {
        "stage": "gate", "shard": 0, "worker": "gate-0-a", "state": "running", "reason": "", "at": AT,
    },
    names.REDRIVEN_V1: {
        "dead_letter": "2/17", "event_id": "e", "origin": EVENT, "stage": "agent-a", "corrected": False, "by": "op", "at": AT,
    },
    names.REKEYED_V1: {
        "of": "a", "topics": {"a-in": "b-in"}, "positions": [["a-in", 0, 7]], "ends": [["b-in", 1, 9]], "records": 7,
        "bytes": 70, "missed": 0, "by": "op", "at": AT,
    },
}  # fmt: skip


def record(ce_type: str, value: object) -> Record:
    """A record as it stands on the log."""
    return Record("x", 0, 7, None, orjson.dumps(value), [("ce_type", ce_type.encode())])


@pytest.mark.parametrize("ce_type", WIRE_MODELS)
def test_a_record_of_each_type_reads(ce_type: str) -> None:
    """What the wire contract demands is enough, and more is kept."""
    found = read(record(ce_type, {**EXAMPLES[ce_type], "from_the_future": 1}))
    assert type(found) is WIRE_MODELS[ce_type]
    assert found.model_extra is not None
    assert found.model_extra["from_the_future"] == 1


@pytest.mark.parametrize(
    ("ce_type", "field"), [(t, f) for t, m in WIRE_MODELS.items() for f, i in m.model_fields.items() if i.is_required()]
)
def test_no_demanded_field_may_be_missing(ce_type: str, field: str) -> None:
    """The error names the field and where the record stands."""
    name = WIRE_MODELS[ce_type].model_fields[field].alias or field
    value = {k: v for k, v in EXAMPLES[ce_type].items() if k != name}
    with pytest.raises(BadInput, match=rf"x/0/7: not a {ce_type}: {name}"):
        read(record(ce_type, value))


@pytest.mark.parametrize(
    ("ce_type", "change"),
    [
        (names.OUTCOME_V1, {"status": "failed"}),
        (names.DECISION_V1, {"verdict": "edit"}),
        (names.PROPOSAL_V1, {"confidence": 1.5}),
        (names.PROPOSAL_V1, {"proposal_id": PID.upper()}),
        (names.PROPOSAL_V1, {"expires_at": "2026-01-31T12:00:00Z"}),
        (names.PROPOSAL_V1, {"expires_at": "2026-02-30T12:00:00.000000Z"}),
        (names.REVIEW_OPENED_V1, {"revision": 1}),
        (names.LABEL_V1, {"source": "guess"}),
    ],
)
def test_what_breaks_the_contract_is_refused(ce_type: str, change: dict[str, object]) -> None:
    """A failure without its effect, an edit without arguments, wrong forms and words, a day that there isn't."""
    with pytest.raises(BadInput):
        read(record(ce_type, EXAMPLES[ce_type] | change))


def test_an_unknown_type_and_an_empty_value_are_refused() -> None:
    """Neither is guessed at."""
    with pytest.raises(BadInput, match=r"no record type is named 'rivergate\.else\.v1'"):
        read(record("rivergate.else.v1", {}))
    with pytest.raises(BadInput, match="not a rivergate"):
        read(record(names.PROPOSAL_V1, {})._replace(value=None))


def test_only_unknown_outcomes_may_be_followed_by_others() -> None:
    """`final` is what the wire contract calls so."""
    base = EXAMPLES[names.OUTCOME_V1]
    states = {"done": {}, "failed": {"effect": "none"}, "refused": {}, "unknown": {}}
    final = {s: OutcomeRecord.model_validate(base | {"status": s} | extra).final for s, extra in states.items()}
    assert final == {"done": True, "failed": True, "refused": True, "unknown": False}


def test_positions_and_senders_read_as_the_domain_names_them() -> None:
    """`from` is a word of Python's, so the field is `sender`."""
    label = read(record(names.LABEL_V1, EXAMPLES[names.LABEL_V1]))
    message: WireRecord = read(record(names.MESSAGE_V1, EXAMPLES[names.MESSAGE_V1]))
    assert label.event.position == Position("telemetry", 1, 2)  # type: ignore[attr-defined]
    assert isinstance(message, MessageRecord)
    assert message.sender == "b"
