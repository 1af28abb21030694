"""Who takes whose shards, with a host of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.runtime.crew import Crew
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.paths import DataDir
from rivergate.runtime.plan import Slot
from rivergate.runtime.spec import AppRef, ProcessSpec

AGENT = Slot("agent-x-0", "agent", "agent-x", (0, 1))
SPARE = Slot("agent-x-spare-0", "agent", "agent-x")
GATE_SPARE = Slot("gate-spare-0", "gate", "gate")


class Process:
    """See `runtime.hosts.Running`."""

    def __init__(self) -> None:
        self.runs = True

    @property
    def pid(self) -> int:
        """None of the system's."""
        return 1

    def alive(self) -> bool:
        """As the test has it."""
        return self.runs

    def why_ended(self) -> str:
        """Some words."""
        return "the test ended it"

    def ask_to_stop(self) -> None:
        """It obeys."""
        self.runs = False

    def kill(self) -> None:
        """It dies."""
        self.runs = False

    def kill_hung(self) -> None:
        """It dies."""
        self.runs = False


class Ground:
    """A crew, its host, and who has which shards."""

    def __init__(self, folder: Path) -> None:
        self.data = DataDir(folder).make()
        self.processes: dict[str, Process] = {}
        self.specs: dict[str, ProcessSpec] = {}
        self.shards_of: dict[str, tuple[int, ...]] = {}
        base = ProcessSpec("supervisor", "supervisor", "supervisor", AppRef("m:a", "a", 2), "h:1", str(folder))
        self.crew = Crew(base, {True: self, False: self}, self._took)

    def start(self, spec: ProcessSpec) -> Process:
        """See `runtime.hosts.Host`."""
        self.specs[spec.incarnation] = spec
        self.processes[spec.incarnation] = Process()
        return self.processes[spec.incarnation]

    def close(self) -> None:
        """Nothing is held."""

    def in_slot(self, slot: Slot) -> str:
        """The present incarnation of a slot."""
        return next(p.incarnation for p in self.crew.processes() if p.slot == slot.name)

    def end(self, slot: Slot) -> str:
        """The slot's process dies, and the crew sees it; its incarnation."""
        name = self.in_slot(slot)
        self.processes[name].runs = False
        self.crew.revive()
        return name

    def _took(self, slot: Slot, name: str) -> None:
        self.shards_of = {n: s for n, s in self.shards_of.items() if s != slot.shards} | {name: slot.shards}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Nothing runs yet."""
    return Ground(tmp_path)


def test_a_spare_takes_the_shards_of_the_dead_and_the_dead_come_back_as_spare(ground: Ground) -> None:
    """And the other way round the next time."""
    ground.crew.start([AGENT, SPARE, GATE_SPARE])
    spare = ground.in_slot(SPARE)
    assert ground.shards_of == {ground.in_slot(AGENT): (0, 1)}
    ground.end(AGENT)
    assert ground.shards_of == {spare: (0, 1)}
    assert {p.slot: p.has_shards for p in ground.crew.processes()} == {
        AGENT.name: False,
        SPARE.name: True,
        GATE_SPARE.name: False,
    }
    back = ground.in_slot(AGENT)
    assert ground.processes[back].runs
    ground.end(SPARE)
    assert ground.shards_of == {back: (0, 1)}


def test_without_a_spare_of_its_stage_the_slot_is_filled_anew(ground: Ground) -> None:
    """Another stage's spare has imported something else."""
    ground.crew.start([AGENT, GATE_SPARE])
    before = ground.end(AGENT)
    after = ground.in_slot(AGENT)
    assert after != before
    assert ground.shards_of == {after: (0, 1)}
    assert ground.specs[after].role == "agent"


def test_a_spare_that_dies_is_a_spare_again(ground: Ground) -> None:
    """Nobody's shards move."""
    ground.crew.start([AGENT, SPARE])
    agent = ground.in_slot(AGENT)
    before = ground.end(SPARE)
    assert ground.in_slot(SPARE) != before
    assert ground.shards_of == {agent: (0, 1)}


def test_a_spare_that_is_dead_too_takes_nothing(ground: Ground) -> None:
    """Both died at once."""
    ground.crew.start([AGENT, SPARE])
    ground.processes[ground.in_slot(SPARE)].runs = False
    ground.end(AGENT)
    assert ground.shards_of == {ground.in_slot(AGENT): (0, 1)}


def test_a_process_that_cannot_even_begin_ends_the_start(ground: Ground) -> None:
    """What it said is raised."""
    ground.crew.start([AGENT])
    leave_ending(ground.data, ground.in_slot(AGENT), ConfigError("no such model"))
    with pytest.raises(ConfigError, match="no such model"):
        ground.end(AGENT)


def test_everything_is_ended(ground: Ground) -> None:
    """Spares and services too."""
    ground.crew.start([AGENT, SPARE, Slot("audit", "audit", "audit")])
    ground.crew.stop()
    assert ground.crew.alive() == []
    assert not any(p.runs for p in ground.processes.values())
