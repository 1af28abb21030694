"""What is remembered until its label comes: bounds by age and number, whatever has had its label meanwhile."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import pytest

from rivergate.agents.memory import EarlyLabel, Memory

DAY = 86_400_000_000


def memory(limit: int = 10) -> Memory:
    """Seven days, and an hour for labels that come early."""
    return Memory(limit, 7 * DAY, limit, DAY // 24)


def test_age_bounds_what_waits_behind_an_event_that_has_its_label() -> None:
    """The labelled one is known on; the other is forgotten after its time, and a late label of it finds nothing."""
    m = memory()
    m.remember("labelled", 1, True, 0)
    m.remember("waits", 2, True, 1)
    assert m.take("labelled") == (1, True, 0)
    m.expire(8 * DAY)
    assert (m.take("waits"), m.forgotten) == (None, 1)
    m.wait("labelled", EarlyLabel(True, "topic", None, 8 * DAY))
    assert m.repeated == 1


def test_an_event_that_is_remembered_again_waits_anew() -> None:
    """Those behind it are older, and go first."""
    m = memory()
    m.remember("again", 1, True, 0)
    m.remember("once", 2, True, DAY)
    m.remember("again", 3, True, 6 * DAY)
    m.expire(9 * DAY)
    assert m.take("once") is None
    assert m.take("again") == (3, True, 6 * DAY)


def test_as_many_labelled_ids_are_known_as_half_of_what_may_wait() -> None:
    """A second label of an older one counts as one that came early."""
    m = memory(4)
    for name in "abc":
        m.remember(name, name, None, 0)
        m.take(name)
    assert list(m.labelled) == ["b", "c"]


def test_bounds_that_have_become_smaller_hold() -> None:
    """The oldest fall out, and are counted."""
    m = memory(10)
    for n in range(10):
        m.remember(f"e{n}", n, None, n)
        m.wait(f"l{n}", EarlyLabel(True, "topic", None, n))
    m.bound(3, 7 * DAY, 2, DAY)
    m.expire(10)
    assert (list(m.events), m.forgotten) == (["e7", "e8", "e9"], 7)
    assert (list(m.early), m.expired_labels) == (["l8", "l9"], 8)


class Before:
    """Pickles as a `Memory` of a version that kept labelled events among the others."""

    def __reduce__(self) -> tuple[Any, ...]:
        events = OrderedDict([("had", None), ("waits", (1, True, 5)), ("had too", None)])
        fields = {
            "limit": 10,
            "max_age": DAY,
            "early_limit": 10,
            "early_max_age": DAY,
            "events": events,
            "early": OrderedDict(),
            "forgotten": 1,
            "expired_labels": 2,
            "repeated": 3,
        }
        return Memory.__new__, (Memory,), (None, fields)


@pytest.mark.parametrize("times", [1, 2])
def test_a_snapshot_of_before_is_understood(times: int) -> None:
    """And one of today again."""
    found: Any = Before()
    for _ in range(times):
        found = pickle.loads(pickle.dumps(found))
    assert (list(found.labelled), list(found.events), found.repeated) == (["had", "had too"], ["waits"], 3)
