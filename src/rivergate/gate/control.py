"""Control records: what an operator puts in force. Built and signed here, and believed here, nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import digest_of, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Output
from rivergate.domain.signing import SigningKey, key_id_of, verify
from rivergate.gate.policy.conditions import ConditionEngine
from rivergate.gate.policy.file import load_policy
from rivergate.gate.policy.model import Policy

REVIEW_SERVICE: Final = "review_service"
"""Role of a key whose owner vouches for people: what it signs on `decisions` counts."""

_ROLES: Final = (REVIEW_SERVICE,)


def policy_record(
    policy_text: str, file: str, schemas: Mapping[str, Mapping[str, Any]], key: SigningKey, by: str, at: Micros
) -> dict[str, Any]:
    """The signed value of a `rivergate.control.policy.v1`. Raises `PolicyError` for what can't be put in force."""
    from rivergate.gate.policy.cel import CelEngine

    policy = load_policy(policy_text, file, schemas, CelEngine())
    return key.sign(
        {
            "policy_digest": policy.digest,
            "source": policy_text,
            "file": file,
            "schemas": dict(schemas),
            "by": by,
            "issued_at": rfc3339(at),
        }
    )


def key_record(public_key: bytes, role: str, key: SigningKey, by: str, at: Micros) -> dict[str, Any]:
    """The signed value of a `rivergate.control.key.v1`: the operator trusts this public key (32 raw bytes)."""
    return key.sign(
        {
            "key_id_of_key": key_id_of(public_key),
            "public_key": base64.b64encode(public_key).decode(),
            "role": role,
            "by": by,
            "issued_at": rfc3339(at),
        }
    )


def as_output(app: str, ce_type: str, value: Mapping[str, Any]) -> Output:
    """A control record ready for a writer: the topic has one partition, the id follows from what was signed."""
    ce_id = digest_of(value)[:32]
    trace_id = trace_id_of(ce_id)
    return Output(
        topic=names.topic(app, names.CONTROL),
        partition=0,
        key=ce_type.encode(),
        value=orjson.dumps(value),
        ce_id=ce_id.encode(),
        ce_type=ce_type.encode(),
        traceparent=traceparent(trace_id, span_id_of("control", ce_id)),
    )


def check_signed(value: Mapping[str, Any], operator_keys: Mapping[str, bytes]) -> str:
    """Why a control record isn't to be believed, or nothing."""
    if not verify(value, operator_keys):
        return f"not signed by an operator's key that this gate was started with ({', '.join(operator_keys)})"
    if not isinstance(value.get("by"), str) or not value["by"]:
        return "it doesn't say by whom"
    return ""


def read_key(value: Mapping[str, Any]) -> tuple[str, bytes]:
    """(key id, 32 raw bytes) that a checked key record makes trusted. Raises `BadInput`."""
    if value.get("role") not in _ROLES:
        raise BadInput(f"role {value.get('role')!r} is none of {', '.join(_ROLES)}")
    try:
        public_key = base64.b64decode(str(value.get("public_key")), validate=True)
    except ValueError as e:
        raise BadInput("public_key isn't base64") from e
    if len(public_key) != 32 or key_id_of(public_key) != value.get("key_id_of_key"):
        raise BadInput("public_key isn't the key that key_id_of_key names")
    return key_id_of(public_key), public_key


def read_policy(value: Mapping[str, Any], engine: ConditionEngine) -> Policy:
    """The policy of a checked record. Raises `BadInput` or `PolicyError`."""
    source, file, schemas = value.get("source"), value.get("file"), value.get("schemas")
    if not isinstance(source, str) or not isinstance(file, str) or not isinstance(schemas, dict):
        raise BadInput("a policy record needs source, file and schemas")
    if not all(isinstance(s, dict) for s in schemas.values()):
        raise BadInput("schemas must be {kind: JSON schema}")
    policy = load_policy(source, file, schemas, engine)
    if policy.digest != value.get("policy_digest"):
        raise BadInput(
            f"the record says digest {str(value.get('policy_digest'))[:64]}, here it is {policy.digest} under {engine.identity}",
            remedy="push the policy with the version of rivergate that the gate runs",
        )
    return policy
