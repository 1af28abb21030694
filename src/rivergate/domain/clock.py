"""Time on the wire: integer microseconds since the epoch inside, RFC 3339 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_IN_UTC = _EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND: Micros = 1_000_000


def to_datetime(at: Micros) -> datetime:
    """The moment as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def to_micros(at: datetime) -> Micros:
    """An aware datetime as microseconds; a naive one is refused, since it names no moment."""
    if at.tzinfo is None:
        raise ValueError("a time needs a time zone: use datetime.now(UTC) or ctx.now")
    return (at - _EPOCH) // _MICROSECOND


def rfc3339(at: Micros) -> str:
    """`2026-01-31T12:00:00.000001Z`: always six decimals, always Z, so that text order is time order."""
    return f"{(_EPOCH_IN_UTC + timedelta(microseconds=at)).isoformat(timespec='microseconds')}Z"


def parse_rfc3339(text: str) -> Micros:
    """Inverse of `rfc3339`; takes any offset and precision that RFC 3339 allows. Raises ValueError."""
    return to_micros(datetime.fromisoformat(text))
