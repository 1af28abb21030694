"""Sealed files: a mark of what they are, a head of JSON, a body, and a signature over all of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import orjson

from rivergate.domain.signing import SigningKey, VerifyingKey, verify_bytes

_SIGNATURE_BYTES = 64


def seal(mark: bytes, head: Mapping[str, Any], body: bytes, key: SigningKey | VerifyingKey) -> bytes:
    """The file's bytes. Raises `ConfigError` where the key is a public one."""
    text = orjson.dumps(dict(head))
    content = mark + struct.pack(">I", len(text)) + text + body
    return content + key.sign_bytes(content)


def unseal(mark: bytes, content: bytes, public_key: bytes) -> tuple[dict[str, Any], bytes]:
    """Head and body. Raises ValueError where this key hasn't signed it as this kind of file."""
    signed, signature = content[:-_SIGNATURE_BYTES], content[-_SIGNATURE_BYTES:]
    if not signed.startswith(mark) or not verify_bytes(public_key, signed, signature):
        raise ValueError("not signed by this key")
    head, start = head_of(mark, signed)
    return head, signed[start:]


def head_of(mark: bytes, content: bytes) -> tuple[dict[str, Any], int]:
    """What a file's first bytes say of it, signed or not, and where its body begins. Raises ValueError where it's none."""
    start = len(mark) + 4
    size = int.from_bytes(content[len(mark) : start], "big")
    head: dict[str, Any] = orjson.loads(content[start : start + size])
    return head, start + size
