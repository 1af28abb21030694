"""Traces as trees, and the time scale that keeps both milliseconds and hours readable."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from rivergate.audit.stored import StoredSpan
from rivergate.audit.tree import TimeScale, tree_of
from rivergate.audit.wording import between, duration, moment
from rivergate.domain.record import Position

MS = 1_000_000
S = 1_000 * MS


def span(number: int, parent: int | None = None, start: int = 0, end: int = 0) -> StoredSpan:
    """A span with numbers for ids."""
    parent_id = "" if parent is None else f"{parent:016x}"
    return StoredSpan(
        Position("t", 0, 0), "shop.gate", f"{1:032x}", f"{number:016x}", parent_id, f"s{number}", 1, start, end, None
    )


def drawn(spans: list[StoredSpan]) -> list[tuple[str, int]]:
    """Names and depths in the order of the screen."""
    return [(n.span.name, n.depth) for root in tree_of(spans) for n in root.walk()]


def test_children_hang_below_their_parents_by_start() -> None:
    """Whatever the order of the spans, the tree is the same."""
    spans = [span(1, None, 0, 9), span(2, 1, 5, 6), span(3, 1, 2, 3), span(4, 3, 2, 3)]
    assert drawn(spans) == drawn(spans[::-1]) == [("s1", 0), ("s3", 1), ("s4", 2), ("s2", 1)]


def test_a_long_chain_is_walked() -> None:
    """A trace may be deeper than Python's own stack."""
    depth = 2 * sys.getrecursionlimit()
    spans = [span(n, n - 1, n, n) for n in range(1, depth + 1)]
    assert drawn(spans)[-1] == (f"s{depth}", depth - 1)


def test_a_span_whose_parent_is_elsewhere_is_a_root() -> None:
    """The producer's own span isn't ours: what hangs below it begins a tree."""
    assert drawn([span(1, 99, 0, 1), span(2, 1, 1, 2)]) == [("s1", 0), ("s2", 1)]


@given(st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6))), max_size=12))
def test_no_span_is_lost_whatever_the_parents(pairs: list[tuple[int, int | None]]) -> None:
    """Loops, repeats and orphans: every span is drawn once."""
    spans = [span(n, parent, n, n + 1) for n, parent in pairs]
    assert sorted(name for name, _ in drawn(spans)) == sorted(s.name for s in spans)


def test_a_long_wait_becomes_a_break() -> None:
    """Three minutes of waiting leave the milliseconds around them readable."""
    spans = [span(1, None, 0, 4 * MS), span(2, 1, 200 * S, 200 * S + 4 * MS)]
    scale = TimeScale(spans, 43)
    assert scale.breaks == [(20, 4 * MS, 200 * S)]
    assert scale.bar(spans[0]) == (0, 20)
    assert scale.bar(spans[1]) == (23, 20)


def test_what_is_alike_stays_linear() -> None:
    """Without a pause that dwarfs the rest nothing is broken."""
    spans = [span(1, None, 0, 40 * MS), span(2, 1, 10 * MS, 20 * MS)]
    scale = TimeScale(spans, 40)
    assert scale.breaks == []
    assert scale.bar(spans[1]) == (10, 10)


moments = st.integers(0, 10**15)


@given(st.lists(st.tuples(moments, moments), min_size=1, max_size=20), st.integers(10, 120))
def test_bars_lie_within_the_scale_and_in_order(pairs: list[tuple[int, int]], width: int) -> None:
    """Any spans, clocks that disagree among them: bars are within the width, at least one column, monotonic."""
    spans = [span(n, None, a, b) for n, (a, b) in enumerate(pairs)]
    scale = TimeScale(spans, width)
    for s in spans:
        first, length = scale.bar(s)
        assert 0 <= first < width
        assert 1 <= length <= width - first
    starts = sorted(s.start_ns for s in spans)
    columns = [scale.column(at) for at in starts]
    assert columns == sorted(columns)


def test_durations_read_well() -> None:
    """From nanoseconds to days, two units at most."""
    given_ns = [0, 5, 340_000, 4_300_000, 43_000_000, 2_100 * MS, 192 * S, 5400 * S, 187_000 * S]
    assert [duration(ns) for ns in given_ns] == [
        "0 s",
        "5 ns",
        "340 µs",
        "4.3 ms",
        "43 ms",
        "2.1 s",
        "3 min 12 s",
        "1 h 30 min",
        "2 d 3 h",
    ]


def test_times_that_are_none_stay_as_they_are() -> None:
    """A record with a malformed time is shown, not lost."""
    assert moment("soon") == "soon"
    assert between("soon", "2026-01-31T12:00:00.000001Z") == ""
