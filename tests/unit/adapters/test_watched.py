"""Calls that may hang."""

from __future__ import annotations

import threading

import pytest

from rivergate.adapters.watched import WatchedCaller


def test_a_call_that_hangs_is_left_behind() -> None:
    """The caller goes on after the timeout, and its next call runs in another thread."""
    hanging = threading.Event()
    caller = WatchedCaller("test")
    ran: list[int] = []
    with pytest.raises(TimeoutError):
        caller.call(hanging.wait, 0.01)
    caller.call(lambda: ran.append(1), 10.0)
    assert ran == [1]
    hanging.set()
    caller.close()


def test_what_it_raises_is_raised_where_it_was_called() -> None:
    """The thread serves on."""

    def fail() -> None:
        raise ValueError("no")

    caller = WatchedCaller("test")
    ran: list[int] = []
    with pytest.raises(ValueError, match="no"):
        caller.call(fail, 10.0)
    caller.call(lambda: ran.append(threading.get_ident()), 10.0)
    assert ran != [threading.get_ident()]
    caller.close()
    caller.close()
