from __future__ import annotations

import pytest

from rivergate.domain.record import Position
from rivergate.kernel.deeds import Deeds, Raised
from rivergate.kernel.work import Deed


def test_a_deed_behind_a_record_that_waits_is_not_in_flight() -> None:
    """Whoever drains waits for what is in flight: a record that waits for another one would hold it for ever."""
    deeds = Deeds("s/0", 2)
    first, second = (Deed(Position("t", 0, n), b"key", lambda n=n: n) for n in (1, 2))
    deeds.start(first)
    deeds.start(second)
    assert deeds.take(10.0) == [(first, 1)]
    assert deeds.in_flight == 0
    deeds.release(first)
    assert deeds.in_flight == 1
    assert deeds.take(10.0) == [(second, 2)]
    deeds.close()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_deed_raises_is_its_result(error: BaseException) -> None:
    """Else its record stays open, and whoever drains waits for ever."""

    def fail() -> None:
        raise error

    deeds = Deeds("s/0", 1)
    deed = Deed(Position("t", 0, 0), None, fail)
    deeds.start(deed)
    assert deeds.take(10.0) == [(deed, Raised(error))]
    assert deeds.in_flight == 0
    deeds.close()
