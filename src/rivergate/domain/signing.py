"""Ed25519 signatures over the canonical form of a JSON object: who vouches for a record."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rivergate.domain.errors import ConfigError
from rivergate.domain.ids import canonical


def key_id_of(public_key: bytes) -> str:
    """Name of a public key (32 raw bytes): the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key as its 32 raw bytes. Never printed: `repr` shows the key's id alone."""

    seed: bytes

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    @property
    def public(self) -> bytes:
        """The public key, 32 raw bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        """Name of the public key."""
        return key_id_of(self.public)

    def sign_bytes(self, content: bytes) -> bytes:
        """64-byte signature."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(content)

    def sign(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The object with `key_id` and `signature` (base64, over RFC 8785 of everything else). Raises BadInput."""
        unsigned = {k: v for k, v in value.items() if k != "signature"} | {"key_id": self.key_id}
        signature = base64.b64encode(self.sign_bytes(canonical(unsigned))).decode()
        return unsigned | {"signature": signature}

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public half of a key, 32 raw bytes: for those who read what another machine signed."""

    public: bytes

    def sign_bytes(self, content: bytes) -> bytes:  # noqa: ARG002 - the signature is SigningKey's
        """Raises `ConfigError`: it takes the private half."""
        raise ConfigError(
            f"key {key_id_of(self.public)} is a public one: it can't sign", remedy="sign where the app's keys are"
        )


def verify_bytes(public_key: bytes, content: bytes, signature: bytes) -> bool:
    """Whether the signature is of this content by this key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(value: Mapping[str, Any], keys: Mapping[str, bytes]) -> bool:
    """Whether a signed object holds under one of the trusted keys (key id → 32 raw bytes)."""
    public_key = keys.get(str(value.get("key_id")))
    if public_key is None:
        return False
    try:
        signature = base64.b64decode(str(value.get("signature")), validate=True)
        content = canonical({k: v for k, v in value.items() if k != "signature"})
    except Exception:  # noqa: BLE001 - whatever can't be read isn't signed
        return False
    return verify_bytes(public_key, content, signature)
