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


def test_a_deed_with_a_time_only_waits_and_comes_back_with_nothing() -> None:
    """It takes no thread, and a drain doesn't wait for it."""
    now = [0.0]
    deeds = Deeds("s/0", 1, lambda: now[0])
    deed = Deed(Position("t", 0, 0), None, after_s=5.0)
    deeds.start(deed)
    now[0] = 4.9
    assert (deeds.in_flight, deeds.take(10.0)) == (0, [])
    now[0] = 5.0
    assert [deeds.take(10.0), deeds.take(10.0)] == [[(deed, None)], []]
    deeds.close()


def test_another_deed_of_its_record_takes_the_place_of_one_that_waits_for_its_time() -> None:
    """The record was woken: the time it had waited for is nothing to it any more."""
    now = [0.0]
    deeds = Deeds("s/0", 1, lambda: now[0])
    deeds.start(Deed(Position("t", 0, 0), None, after_s=5.0))
    woken = Deed(Position("t", 0, 0), None, lambda: 1)
    deeds.start(woken)
    assert deeds.take(10.0) == [(woken, 1)]
    now[0] = 5.0
    assert deeds.take(10.0) == []
    deeds.close()
