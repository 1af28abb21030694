"""Who takes whose shards, with a host of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.runtime.crew_ground import Ground

from rivergate.domain.errors import ConfigError, StartRefused
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.supervision import restarts
from rivergate.runtime.supervision.arrivals import tell_arrival
from rivergate.runtime.supervision.crew import RECRUIT_DEATHS
from rivergate.runtime.supervision.plan import Slot

AGENT = Slot("agent-x-0", "agent", "agent-x", (0, 1))
SPARE = Slot("agent-x-spare-0", "agent", "agent-x")
GATE_SPARE = Slot("gate-spare-0", "gate", "gate")


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


def test_a_spare_that_is_still_starting_takes_nothing(ground: Ground) -> None:
    """It may be on its way to a node that is lost; the dead one's own start is as quick."""
    ground.arrive_at_once = False
    ground.crew.start([AGENT, SPARE])
    ground.end(AGENT)
    assert ground.shards_of == {ground.in_slot(AGENT): (0, 1)}


def test_a_spare_that_is_there_after_the_death_takes_over_then(ground: Ground) -> None:
    """The dead one's own start would take longer; once it is there too, nothing is given back."""
    ground.arrive_at_once = False
    ground.crew.start([AGENT, SPARE])
    ground.end(AGENT)
    spare, back = ground.in_slot(SPARE), ground.in_slot(AGENT)
    tell_arrival(ground.data, spare)
    ground.crew.revive()
    assert ground.shards_of == {spare: (0, 1)}
    tell_arrival(ground.data, back)
    ground.crew.revive()
    assert ground.shards_of == {spare: (0, 1)}
    assert ground.processes[back].runs


def test_a_spare_takes_nothing_from_a_first_start(ground: Ground) -> None:
    """Nor from one that is there."""
    ground.arrive_at_once = False
    ground.crew.start([AGENT, SPARE])
    tell_arrival(ground.data, ground.in_slot(SPARE))
    ground.crew.revive()
    assert ground.shards_of == {ground.in_slot(AGENT): (0, 1)}


@pytest.mark.parametrize("began", [True, False])
def test_starts_that_a_host_never_began_delay_nothing(
    ground: Ground, began: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deaths in a row do."""
    monkeypatch.setattr(restarts, "AGAIN_S", 0.0)
    ground.arrive_at_once = False
    ground.crew.start([AGENT])
    for _ in range(4):
        ground.processes[ground.in_slot(AGENT)].began = began
        ground.end(AGENT)
    assert (ground.in_slot(AGENT) in ground.crew.alive()) is not began
    assert len(ground.processes) == (2 if began else 5)


def test_a_recruit_that_a_host_never_began_is_started_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often; one that died so often is given up."""
    monkeypatch.setattr(restarts, "AGAIN_S", 0.0)
    ground.arrive_at_once = False
    ground.crew.start([AGENT])
    slot = ground.crew.recruit("agent-x")
    for _ in range(RECRUIT_DEATHS + 2):
        recruit = ground.processes[ground.crew.in_slot(slot).name]
        recruit.runs = recruit.began = False
        assert not ground.crew.has_arrived(slot)
    tell_arrival(ground.data, ground.crew.in_slot(slot).name)
    assert ground.crew.has_arrived(slot)


def test_a_restart_that_the_machine_refuses_is_tried_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything else goes on; whoever looks reads what to do. A spare takes over all the same."""
    monkeypatch.setattr(restarts, "AGAIN_S", 0.0)
    monkeypatch.setattr(restarts, "MAX_BACKOFF_S", 0.0)
    ground.crew.start([AGENT, SPARE])
    spare = ground.in_slot(SPARE)
    ground.refuses = True
    dead = ground.end(AGENT)
    assert ground.shards_of == {spare: (0, 1)}
    assert ground.in_slot(AGENT) == dead
    assert "no process can be started" in caplog.text
    assert "→ see to memory" in caplog.text
    ground.refuses = False
    ground.crew.revive()
    assert ground.processes[ground.in_slot(AGENT)].runs


def test_a_first_start_that_the_machine_refuses_is_an_error(ground: Ground) -> None:
    """Whoever starts an app is there to mend it."""
    ground.refuses = True
    with pytest.raises(StartRefused):
        ground.crew.start([AGENT])


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
