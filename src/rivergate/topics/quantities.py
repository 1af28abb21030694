"""Durations and sizes as people write them in topic files."""

from __future__ import annotations

import re
from typing import Final

FOREVER_MS: Final = -1
"""Kafka's `retention.ms` of a topic whose records are never removed."""

DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588
"""Apache Kafka's own default: 1 MiB and a batch's fixed head."""

LEAST_MAX_MESSAGE_BYTES: Final = 1024**2
"""Producers fill batches of many records up to some 1,000,000 bytes, and the broker holds the limit against those."""

_UNIT_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNIT_BYTES: Final = {"KiB": 1024, "MiB": 1024**2}
_DURATION = re.compile(r"([1-9]\d*)([mhd])")
_SIZE = re.compile(r"([1-9]\d*) ?(KiB|MiB)")


def parse_duration_ms(text: str) -> int:
    """`30d`, `12h`, `45m` in milliseconds; `forever` is -1. Raises ValueError."""
    if text == "forever":
        return FOREVER_MS
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} isn't a duration: write forever, or a number with m, h or d, as in 30d")
    return int(match[1]) * _UNIT_MS[match[2]]


def parse_size_bytes(text: str | int) -> int:
    """`4 MiB`, `64 KiB`, or a number of bytes. Raises ValueError."""
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} isn't a size: write a number of bytes, or one with KiB or MiB, as in 4 MiB")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def duration_text(ms: int) -> str:
    """The shortest way to write it that `parse_duration_ms` reads back, or milliseconds where there is none."""
    if ms < 0:
        return "forever"
    for unit in "dhm":
        if ms and ms % _UNIT_MS[unit] == 0:
            return f"{ms // _UNIT_MS[unit]}{unit}"
    return f"{ms} ms"


def size_text(size: int) -> str:
    """`4 MiB`, or bytes where it is no whole number of KiB."""
    for unit in ("MiB", "KiB"):
        if size and size % _UNIT_BYTES[unit] == 0:
            return f"{size // _UNIT_BYTES[unit]} {unit}"
    return f"{size:,} bytes"
