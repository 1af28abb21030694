from __future__ import annotations

from rivergate.gate.expiring_ids import ExpiringIds


def test_the_horizon_never_goes_back() -> None:
    """An id that falls out may have expired before one that fell out earlier; what that one hides stays hidden."""
    ids = ExpiringIds(1)
    ids.add("first", 50, "")
    ids.add("later", 90, "")
    assert ids.horizon == 50
    ids.add("earlier", 20, "")
    assert ids.horizon == 50
    assert (ids.get("later"), ids.get("earlier"), ids.forgotten) == ("", None, 2)
