"""Who counts as silent, by a clock of the test's own."""

from __future__ import annotations

import pytest

from rivergate.adapters.kafka_status import ShardStatus
from rivergate.runtime.supervision.life_signs import ONCE_MORE_S, START_S, LifeSigns

LIMIT_S = 30.0


class World:
    """Life signs, a clock, and reports of two workers with a shard each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.signs = LifeSigns(LIMIT_S, lambda: self.now)
        self._reports: dict[tuple[str, int], ShardStatus] = {}

    def report(self, *workers: str) -> None:
        """These workers report; what the others said last is still the newest of theirs."""
        for worker in workers:
            self._reports["agent-x", ord(worker)] = ShardStatus(
                "agent-x", ord(worker), worker, "running", "", f"at {self.now}"
            )
        self.signs.hear(self._reports)

    def pass_s(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds


@pytest.fixture
def world() -> World:
    """Both workers have just reported."""
    found = World()
    found.report("a", "b")
    return found


def test_a_worker_that_reports_no_more_is_silent_and_the_other_is_not(world: World) -> None:
    """An old report that is read again is no sign of life."""
    world.pass_s(LIMIT_S + 1)
    world.report("b")
    assert world.signs.silent(["a", "b"]) == {"a"}


def test_a_worker_that_never_reported_still_imports(world: World) -> None:
    """Its start has limits of its own."""
    world.pass_s(1000.0)
    assert world.signs.silent(["c"]) == set()


def test_a_worker_that_got_shards_has_to_report_in_the_end(world: World) -> None:
    """But it may have to import first."""
    world.signs.expect("c", importing=True)
    world.pass_s(LIMIT_S + START_S - 1)
    assert world.signs.silent(["c"]) == set()
    world.pass_s(2.0)
    assert world.signs.silent(["c"]) == {"c"}


def test_a_spare_that_was_stopped_while_it_waited_is_found_out(world: World) -> None:
    """It has imported, so nothing excuses it."""
    world.signs.expect("c", importing=False)
    world.pass_s(LIMIT_S - 1)
    assert world.signs.silent(["c"]) == set()
    world.pass_s(2.0)
    assert world.signs.silent(["c"]) == {"c"}


def test_a_spare_is_not_blamed_for_its_silence_while_it_had_no_shards(world: World) -> None:
    """It had some before, and was heard then."""
    world.pass_s(LIMIT_S + 1)
    assert not world.signs.is_given_up("a")
    world.signs.expect("a", importing=False)
    world.pass_s(LIMIT_S - 1)
    assert world.signs.silent(["a"]) == set()
    world.pass_s(2.0)
    assert not world.signs.is_given_up("a")


def test_a_silent_worker_gets_a_last_chance(world: World) -> None:
    """The broker may have come back just before the first look."""
    world.pass_s(LIMIT_S + 1)
    assert world.signs.silent(["a"]) == {"a"}
    assert not world.signs.is_given_up("a")
    assert world.signs.silent(["a"]) == set()
    world.pass_s(ONCE_MORE_S + 1)
    assert world.signs.silent(["a"]) == {"a"}
    assert world.signs.is_given_up("a")
    world.signs.forget("a")
    assert world.signs.silent(["a"]) == set()


def test_a_worker_that_used_its_chance_has_a_new_one_the_next_time(world: World) -> None:
    """What it was doubted for is forgotten."""
    world.pass_s(LIMIT_S + 1)
    assert not world.signs.is_given_up("a")
    world.report("a")
    world.pass_s(LIMIT_S + 1)
    assert world.signs.silent(["a"]) == {"a"}
    assert not world.signs.is_given_up("a")


def test_nobody_is_blamed_for_a_broker_that_is_away(world: World) -> None:
    """Afterwards all have the whole time again."""
    world.pass_s(LIMIT_S + 1)
    world.signs.nobody_can_be_heard()
    world.pass_s(LIMIT_S - 1)
    assert world.signs.silent(["a", "b"]) == set()
    world.pass_s(2.0)
    assert world.signs.silent(["a", "b"]) == {"a", "b"}
