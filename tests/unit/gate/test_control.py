from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.unit.gate.world import (
    APP,
    OPERATOR,
    POLICY,
    REVIEW_SERVICE,
    SCHEMAS,
    START,
    STRANGER,
    STRICT,
    World,
    kinds_of,
)

from rivergate.domain import names
from rivergate.gate.control import as_output, key_record, policy_record
from rivergate.gate.policy.cel import CelEngine
from rivergate.gate.policy.errors import PolicyError
from rivergate.gate.policy.file import load_policy


def test_a_signed_policy_is_put_in_force_and_acknowledged() -> None:
    """The gate answers with the digest and where the record stood, and judges by it from then on."""
    w = World()
    ((kind, applied),) = w.send(w.policy())
    assert kind == "control_applied"
    assert (applied["what"], applied["result"], applied["reason"], applied["by"]) == (
        "policy",
        "applied",
        "",
        "operator",
    )
    assert applied["control"] == {"topic": f"{APP}.control", "partition": 0, "offset": 0}
    assert applied["policy_digest"] == load_policy(POLICY, "x", SCHEMAS, CelEngine()).digest
    assert kinds_of(w.send(w.proposal())) == ["action"]


def test_a_policy_counts_within_its_own_batch() -> None:
    """Records after it in the same batch are judged by it."""
    w = World()
    assert kinds_of(w.send(w.proposal(n=1), w.policy(), w.proposal(n=2))) == ["denial", "control_applied", "action"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": STRANGER}, "not signed"),
        ({"source": POLICY.replace("100.0", "1e9")}, "not signed"),
        ({"signature": ""}, "not signed"),
        ({"key_id": "x"}, "not signed"),
    ],
)
def test_what_the_operator_did_not_sign_is_refused(changes: dict[str, Any], why: str) -> None:
    """Another key, a changed field: refused, said so, and what was in force stays."""
    w = World().ready()
    before = w.written[-1][1]["policy_digest"]
    ((_, applied),) = w.send(w.policy(STRICT, **changes))
    assert applied["result"] == "refused"
    assert why in applied["reason"]
    assert applied["policy_digest"] == before
    assert w.fold.state.counters["refused_control_records"] == 1


def signed(**changes: Any) -> dict[str, Any]:
    """A policy record with other contents, properly signed."""
    return OPERATOR.sign(policy_record(POLICY, "plant.yaml", SCHEMAS, OPERATOR, "operator", START) | changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"policy_digest": "0" * 64}, "here it is"),
        ({"source": POLICY.replace("action.cost <=", "action.cots <=")}, "did you mean 'action.cost'?"),
        ({"source": 3}, "needs source"),
        ({"schemas": {"inspect": 3}}, "JSON schema"),
        ({"schemas": {}}, "no proposal is of kind"),
        ({"issued_at": "yesterday"}, "issued_at"),
        ({"issued_at": "2020-01-01T00:00:00Z"}, "older than"),
        ({"by": ""}, "by whom"),
    ],
)
def test_a_signed_policy_that_cannot_hold_is_refused(changes: dict[str, Any], why: str) -> None:
    """The operator's signature doesn't make a broken, foreign or outdated policy good."""
    w = World().ready()
    ((_, applied),) = w.send(w.record(names.CONTROL, names.POLICY_PUSHED_V1, signed(**changes), partition=0))
    assert applied["result"] == "refused"
    assert why in applied["reason"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": "king"}, "none of review_service"),
        ({"public_key": "§"}, "base64"),
        ({"public_key": "aaaa"}, "isn't the key"),
        ({"key_id_of_key": "0"}, "isn't the key"),
    ],
)
def test_a_key_that_is_not_what_it_says_is_refused(changes: dict[str, Any], why: str) -> None:
    """Role, encoding and id of a key are checked, and a refused key isn't trusted."""
    w = World()
    value = OPERATOR.sign(key_record(REVIEW_SERVICE.public, "review_service", OPERATOR, "operator", START) | changes)
    ((_, applied),) = w.send(w.record(names.CONTROL, names.KEY_TRUSTED_V1, value, partition=0))
    assert applied["result"] == "refused"
    assert why in applied["reason"]
    assert w.fold.state.keys == {}


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"{}"])
def test_rubbish_on_control_is_answered(raw: bytes) -> None:
    """Every control record gets its answer, what can't be read too."""
    w = World()
    ((_, applied),) = w.send(w.record(names.CONTROL, "rivergate.control.war.v1", raw, partition=0))
    assert (applied["result"], applied["what"]) == ("refused", "unknown")


def test_a_broken_policy_is_refused_before_it_is_signed() -> None:
    """Whoever builds the record learns of the mistake at once."""
    with pytest.raises(PolicyError, match="did you mean"):
        policy_record(POLICY.replace("pass_up_to\n", "pass_upto\n"), "p", SCHEMAS, OPERATOR, "operator", START)


def test_a_control_record_is_ready_for_a_writer() -> None:
    """Topic, partition, ids: the same record has the same id."""
    value = key_record(REVIEW_SERVICE.public, "review_service", OPERATOR, "operator", START)
    out = as_output(APP, names.KEY_TRUSTED_V1, value)
    assert (out.topic, out.partition, out.ce_type) == ("plant.control", 0, names.KEY_TRUSTED_V1.encode())
    assert orjson.loads(out.value or b"") == value
    assert out == as_output(APP, names.KEY_TRUSTED_V1, value)
