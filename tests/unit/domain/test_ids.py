from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rivergate.domain.errors import BadInput
from rivergate.domain.ids import (
    arguments_digest,
    framed,
    parse_traceparent,
    proposal_id,
    span_id_of,
    trace_id_of,
    traceparent,
)


def test_a_proposals_id_follows_from_its_cause() -> None:
    """Anybody can recompute it: SHA-256 over RFC 8785 of app, agent, event and ordinal."""
    wanted = hashlib.sha256(b'["a","w","t/0/1",0]').hexdigest()[:32]
    assert proposal_id("a", "w", "t/0/1", 0) == wanted
    assert proposal_id("a", "w", "t/0/1", 1) != wanted


def test_argument_order_does_not_matter_and_values_do() -> None:
    """The digest is of the canonical form, in which keys are sorted."""
    assert arguments_digest("k", {"a": 1, "b": 2.5}) == arguments_digest("k", {"b": 2.5, "a": 1})
    assert arguments_digest("k", {"a": 1}) != arguments_digest("k", {"a": 2})
    assert arguments_digest("k", {"a": 1}) != arguments_digest("j", {"a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53])
def test_what_has_no_canonical_form_is_refused(value: float) -> None:
    """NaN, infinities and large integers would mean different things to different readers."""
    with pytest.raises(BadInput, match="canonical"):
        arguments_digest("k", {"a": value})


@given(st.lists(st.binary(max_size=5), max_size=5), st.lists(st.binary(max_size=5), max_size=5))
def test_no_two_lists_of_parts_are_framed_alike(a: list[bytes], b: list[bytes]) -> None:
    """Lengths before the parts make the framing injective."""
    assert (framed(a) == framed(b)) == (a == b)


def test_trace_context_round_trips_and_malformed_ones_are_ignored() -> None:
    """W3C's header, and what is not one."""
    trace_id, span_id = trace_id_of("e"), span_id_of("s", "e")
    assert parse_traceparent(traceparent(trace_id, span_id)) == (trace_id, span_id)
    for bad in (None, b"", b"00-zz", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01", b"\xff" * 60):
        assert parse_traceparent(bad) is None
