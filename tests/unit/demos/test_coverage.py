from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rivergate.demos.shuttle.coverage import Coverage, coverage

OFFSETS = st.sets(st.integers(0, 40))
RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda r: (min(r), max(r))), max_size=6)


@given(OFFSETS, RANGES)
def test_it_counts_as_one_would_by_hand(offsets: set[int], ranges: list[tuple[int, int]]) -> None:
    """Sorted or not, overlapping or empty: each offset is missed, repeated, or covered once."""
    times = {o: sum(start <= o < end for start, end in ranges) for o in offsets}
    missed = sorted(o for o, n in times.items() if n == 0)
    repeated = sorted(o for o, n in times.items() if n > 1)
    assert coverage(offsets, ranges) == Coverage(missed, repeated)
