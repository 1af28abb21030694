from __future__ import annotations

import pytest

from rivergate.domain.ids import parse_traceparent, traceparent

TRACE, SPAN = "a" * 32, "b" * 16


def test_what_is_written_is_read() -> None:
    """A header that we wrote gives its ids back, and so does one of a later version with more behind it."""
    assert parse_traceparent(traceparent(TRACE, SPAN)) == (TRACE, SPAN)
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-00-more".encode()) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"a" * 32 + b"-" + b"0" * 16 + b"-01",
        b"00-" + b"0x" + b"a" * 30 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b" " * 2 + b"a" * 30 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"a_" * 16 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"A" * 32 + b"-" + b"b" * 16 + b"-01",
        b"\xff" * 55,
    ],
)
def test_what_is_no_trace_context_is_none(value: bytes | None) -> None:
    """Only lower-case hex digits are ids: anything else would break whoever writes the span."""
    assert parse_traceparent(value) is None
