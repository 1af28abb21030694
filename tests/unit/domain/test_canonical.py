from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rivergate.domain.errors import BadInput
from rivergate.domain.ids import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.floats(-1e4, 1e4) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_the_quick_way_gives_what_the_reference_gives(value: Any) -> None:
    """Equal bytes for whatever has a canonical form, an error for what has none."""
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises((BadInput, UnicodeEncodeError)):
            canonical(value)
        return
    assert canonical(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number(value: float) -> None:
    """Numbers of all sizes."""
    assert canonical([value]) == rfc8785.dumps([value])


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1e-3, 1e15, 5.0, -7.0, 0.1 + 0.2, 2**53 - 1, '\x7f\u2028"\\/\b', {"b": 1, "a": 2}]
)
def test_corners(value: Any) -> None:
    """Zeros, edges of the quick way, escapes, order."""
    assert canonical(value) == rfc8785.dumps(value)
