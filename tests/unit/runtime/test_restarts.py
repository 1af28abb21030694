"""How long a start waits after those before it."""

from __future__ import annotations

from rivergate.runtime.supervision.restarts import AGAIN_S, HOST_S, MAX_BACKOFF_S, QUICK_DEATH_S, Starts


def test_quick_deaths_in_a_row_delay_the_next_start_for_longer_and_longer() -> None:
    """Up to a limit; one that lived for a while makes up for them."""
    starts, waits = Starts(), []
    for _ in range(7):
        starts = starts.after_end(0.0, QUICK_DEATH_S - 1)
        waits.append(starts.wait_s)
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, MAX_BACKOFF_S, MAX_BACKOFF_S]
    assert starts.after_end(0.0, QUICK_DEATH_S) == Starts()


def test_a_start_that_never_began_is_no_death_while_its_host_may_still_fill_the_place() -> None:
    """It is tried again soon; afterwards it counts."""
    starts = Starts().after_quick_death()
    for now in (100.0, 101.0, 99.0 + HOST_S):
        starts = starts.after_nothing(now)
        assert (starts.quick_deaths, starts.wait_s) == (1, AGAIN_S)
    waits = []
    for now in (100.0 + HOST_S, 101.0 + HOST_S):
        starts = starts.after_nothing(now)
        waits.append(starts.wait_s)
    assert waits == [1.0, 2.0]


def test_a_refused_start_is_never_tried_again_at_once() -> None:
    """What was short then still is."""
    starts, waits = Starts(), []
    for _ in range(3):
        starts = starts.after_refusal()
        waits.append(starts.wait_s)
    assert waits == [AGAIN_S, 1.0, 2.0]


def test_a_host_that_was_there_in_between_has_its_time_anew() -> None:
    """Else the second node that is lost in a month would find the time used up."""
    starts = Starts().after_nothing(0.0).after_end(1.0, 1000.0).after_nothing(2000.0)
    assert (starts.quick_deaths, starts.wait_s) == (0, AGAIN_S)
