"""Ids, digests and signatures, computed from the contract's words."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

GENESIS = "0" * 64


def sha256_of(value: Any) -> str:
    """Hex SHA-256 over RFC 8785; a word that no digest equals for what has no such form."""
    try:
        return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
    except (rfc8785.CanonicalizationError, RecursionError):
        return "without a canonical form"


def key_name(public_key: bytes) -> str:
    """Id of a public key (32 raw bytes)."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def length_first(parts: Sequence[bytes]) -> bytes:
    """Each part after its length in four bytes."""
    return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def chained(previous: str, parts: Sequence[bytes], meta: Mapping[str, Any]) -> str:
    """Digest of a commit record: the one before, the outputs' parts, and what was read under which clock and code."""
    content = length_first([*parts, rfc8785.dumps(dict(meta))])
    return hashlib.sha256(bytes.fromhex(previous) + content).hexdigest()


def spans_digest(values: Sequence[bytes]) -> str:
    """Digest of a commit's span records."""
    return hashlib.sha256(length_first(values)).hexdigest()


def is_signed(value: Mapping[str, Any], keys: Mapping[str, bytes]) -> bool:
    """Whether the signature holds under the key that `key_id` names."""
    key = keys.get(str(value.get("key_id")))
    if key is None:
        return False
    content = rfc8785.dumps({k: v for k, v in value.items() if k != "signature"})
    try:
        signature = base64.b64decode(str(value.get("signature")), validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
