from __future__ import annotations

from typing import Any

import pytest

from rivergate.kernel.comparing import ABSENT, _fields


@pytest.mark.parametrize(
    ("recorded", "again", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("v.a.b", 1, 2)]),
        ({"a": 1}, {"b": 2}, [("v.a", 1, ABSENT), ("v.b", ABSENT, 2)]),
        ([1, 2], [1, 3, 4], [("v[1]", 2, 3), ("v[2]", ABSENT, 4)]),
        (1, True, [("v", 1, True)]),
        (0.1 + 0.2, 0.3, [("v", 0.30000000000000004, 0.3)]),
        ({"a": [1]}, {"a": {"0": 1}}, [("v.a", [1], {"0": 1})]),
    ],
)
def test_fields_that_differ_are_named_by_their_path(recorded: Any, again: Any, expected: list[tuple[Any, ...]]) -> None:
    """Objects and lists are gone into; a value of another type is another value."""
    assert [(f.field, f.recorded, f.again) for f in _fields("v", recorded, again)] == expected
