from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from rivergate.demos.shuttle.fleet import fleet
from rivergate.demos.shuttle.plan import DELAY, Plan, Telling, Truth, event_id
from rivergate.domain.murmur2 import partition_of

ROWS: list[tuple[dict[str, Any], Any]] = [({"f1": n, "f2": 0}, n % 10 == 0) for n in range(500)]


@pytest.mark.parametrize("partitions", [1, 3, 4, 8])
def test_every_partition_has_as_many_machines(partitions: int) -> None:
    """All shards get about as much to do, whatever the partition count."""
    machines = fleet(partitions, each=5)
    assert len(set(machines)) == 5 * partitions
    assert set(Counter(partition_of(m.encode(), partitions) for m in machines).values()) == {5}


def test_equal_seeds_play_the_same() -> None:
    """Machines, delays and faults come from the seed and the reading's number alone."""
    steps = [list(Plan(seed, 4, 0, 400).steps(ROWS)) for seed in (1, 1, 2)]
    assert steps[0] == steps[1]
    assert steps[0] != steps[2]


def test_a_later_start_goes_on_where_an_earlier_run_ended() -> None:
    """The readings of two runs are those of one long run, so that no id comes twice."""
    whole = [s for s in Plan(1, 4, 0, 400).steps(ROWS) if isinstance(s, Telling)]
    halves = [s for start in (0, 200) for s in Plan(1, 4, start, 200).steps(ROWS) if isinstance(s, Telling)]
    assert halves == whole


def test_truths_come_late_and_none_is_left_out() -> None:
    """Each truth comes after its reading by as many readings as the delay says, the last ones at the end."""
    told: dict[int, Telling] = {}
    truths = []
    newest = -1
    for step in Plan(1, 4, 0, 400).steps(ROWS):
        if isinstance(step, Telling):
            told[step.number] = step
            newest = step.number
        else:
            assert isinstance(step, Truth)
            late = newest - step.number
            assert DELAY[0] - 1 <= late <= DELAY[1] or newest == 399
            assert told[step.number].truth == step.value == ROWS[step.number][1]
            truths.append(step.number)
    assert len(truths) == len(set(truths)) == sum(t.truth is not None for t in told.values())
    assert len(truths) < 400


def test_endless_readings_begin_again() -> None:
    """Without a count the telemetry starts anew at its end, under new numbers."""
    steps = (s for s in Plan(1, 4).steps(ROWS) if isinstance(s, Telling))
    numbers = [s.number for s in itertools.islice(steps, 600)]
    assert numbers == list(range(600))
    assert event_id(599) == "/demo/shuttle#reading-599"
