"""How the audit says times, durations, digests and values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rivergate.domain.clock import parse_rfc3339, to_datetime

_UNITS = ((1_000, "ns"), (1_000_000, "µs"), (1_000_000_000, "ms"))


def duration(ns: int) -> str:
    """`340 µs`, `4.3 ms`, `2.1 s`, `3 min 12 s`, `1 h 30 min`, `2 d 4 h`."""
    if ns < 1_000:
        return f"{ns} ns" if ns else "0 s"
    if ns < 1_000_000_000:
        size, unit = next((limit // 1000, unit) for limit, unit in _UNITS if ns < limit)
        return f"{_three(ns / size)} {unit}"
    seconds = ns / 1_000_000_000
    if seconds < 60:
        return f"{_three(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _three(number: float) -> str:
    """Two digits and no more zeros than needed: 4.3, 43, 430."""
    return f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"


def between(start: str, end: str) -> str:
    """How long it is from one RFC 3339 time to another; empty where one isn't known."""
    try:
        return duration(max(0, parse_rfc3339(end) - parse_rfc3339(start)) * 1000)
    except ValueError:
        return ""


def moment(at: str) -> str:
    """`24 Nov 2026, 12:31:07.123 UTC`; what isn't a time stays as it is."""
    try:
        when = to_datetime(parse_rfc3339(at))
    except ValueError:
        return at
    return f"{when.day} {when:%b %Y, %H:%M:%S}.{when.microsecond // 1000:03d} UTC"


def short(digest: str) -> str:
    """The first twelve digits; enough to tell digests apart by eye."""
    return digest[:12]


def value_text(value: Any) -> str:
    """A value on one line: text as it is, numbers to six digits, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    return json.dumps(value, ensure_ascii=False)


def fields_text(fields: Mapping[str, Any]) -> str:
    """`cost 1800, machine line-4`: fields in order, nested ones as `sensors.s1`."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in _flat(fields))


def _flat(fields: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
