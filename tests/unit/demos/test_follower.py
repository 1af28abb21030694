from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
import pytest

from rivergate.demos.shuttle.background import Background
from rivergate.demos.shuttle.follower import Follower
from rivergate.domain.errors import BrokerUnavailable
from rivergate.domain.record import Record


class Journal:
    """A reader of a journal to which commits can be added."""

    def __init__(self) -> None:
        self.new: list[Record] = []
        self.looks = 0
        self.closed = False

    def commit(self, partition: int, end: int) -> None:
        ranges = [["shuttle-telemetry", partition, 0, end], ["shuttle.labels", partition, 0, 900]]
        value = {
            "stage": "agent-watcher",
            "shard": partition,
            "seq": 0,
            "clock": "2026-01-01T00:00:00.000000Z",
            "ranges": ranges,
            "outputs": {},
            "spans": {"records": 0},
        }
        self.line(partition, orjson.dumps(value))

    def line(self, partition: int, raw: bytes) -> None:
        self.new.append(Record(Follower.topics("shuttle")[0], partition, 0, None, raw, []))

    def poll(self, take: Callable[[Record], object], wait_s: float) -> int:
        self.looks += 1
        taken, self.new = self.new, []
        for record in taken:
            take(record)
        return len(taken)

    def close(self) -> None:
        self.closed = True


def test_the_script_may_run_ahead_so_far_and_no_further() -> None:
    """What the agent's commits have read counts, over all partitions; labels that they read don't."""
    journal = Journal()
    follower = Follower(journal, "shuttle", start=0, ahead=10)
    assert follower.may_go_on(9)
    assert journal.looks == 0
    assert not follower.may_go_on(10)
    journal.commit(0, 3)
    journal.line(0, b"not of the stage")
    journal.line(0, orjson.dumps({"ranges": "many"}))
    journal.commit(1, 2)
    assert follower.may_go_on(14)
    assert not follower.may_go_on(15)
    follower.close()
    assert journal.closed


def test_readings_of_earlier_runs_count_as_told() -> None:
    """A second run on the same topics goes on where the first ended."""
    journal = Journal()
    journal.commit(0, 100)
    follower = Follower(journal, "shuttle", start=100, ahead=10)
    assert follower.may_go_on(9)
    assert not follower.may_go_on(10)


def test_what_fails_in_the_background_is_seen_in_front() -> None:
    """The error of a thread is raised where somebody asks whether it is done."""

    def fail(_: threading.Event) -> None:
        raise BrokerUnavailable("gone")

    part = Background("part", fail).start()
    part.stop()
    with pytest.raises(BrokerUnavailable, match="gone"):
        _ = part.done


def test_a_part_works_until_it_is_stopped() -> None:
    """`stop` tells the work and waits for its end."""
    began = threading.Event()

    def work(stop: threading.Event) -> None:
        began.set()
        stop.wait()

    part = Background("part", work).start()
    assert began.wait(5)
    assert not part.done
    part.stop()
    assert part.done
