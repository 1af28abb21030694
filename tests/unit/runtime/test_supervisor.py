"""What the supervisor decides by itself: whose shards are whose, and what is tried again."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.runtime.crew_ground import Ground

from rivergate.domain.errors import BrokerUnavailable, ConfigError
from rivergate.runtime.supervision import life_signs, supervisor
from rivergate.runtime.supervision.arrivals import tell_arrival
from rivergate.runtime.supervision.plan import Slot
from rivergate.runtime.supervision.supervisor import Owners, Supervisor, insist

SPARE = Slot("agent-a-spare-0", "agent", "agent-a")
SLOT = Slot("agent-a-0", "agent", "agent-a", (0, 1))


def test_a_start_waits_for_a_broker_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again what may succeed later, and nothing else; told to stop, it gives up."""
    monkeypatch.setattr(supervisor, "RETRY_S", 0.0)
    answers: list[Exception | None] = [BrokerUnavailable("away"), BrokerUnavailable("away"), None]

    def step() -> None:
        found = answers.pop(0)
        if found is not None:
            raise found

    stop = threading.Event()
    insist(step, stop)
    assert answers == []
    answers = [ConfigError("wrong")]
    with pytest.raises(ConfigError):
        insist(step, stop)
    stop.set()
    answers = [BrokerUnavailable("away")]
    insist(step, stop)
    assert len(answers) == 1


def test_a_shard_in_mid_move_stays_nobodys_when_its_receiver_is_started_anew() -> None:
    """Its owner of before still drains it; the move itself gives it away."""
    owners = Owners()
    owners.give(SLOT, "first")
    owners.hand("agent-a", 1, "")
    owners.give(SLOT, "second")
    assert owners.named("agent-a") == {0: ("second", 0)}
    owners.hand("agent-a", 1, "second")
    assert owners.of("second") == ["agent-a/0", "agent-a/1"]


def test_only_a_worker_that_has_to_import_gets_the_time_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spare has done so: one that was stopped while it waited would hold the shards for as long again."""
    told: dict[str, bool] = {}

    class Told:
        def __init__(self, _limit_s: float) -> None: ...

        def expect(self, worker: str, *, importing: bool) -> None:
            told[worker] = importing

    monkeypatch.setattr(supervisor, "LifeSigns", Told)
    ground = Ground(tmp_path)
    ground.arrive_at_once = False
    unused: Any = None
    ours = Supervisor(ground.base, [SLOT, SPARE], {True: ground, False: ground}, unused, unused)
    ground.crew = ours._crew
    ground.crew.start([SLOT, SPARE])
    worker, spare = ground.in_slot(SLOT), ground.in_slot(SPARE)
    assert told == {worker: True}
    tell_arrival(ground.data, spare)
    ground.end(SLOT)
    assert told == {worker: True, spare: False}


def test_what_runs_is_ended_though_nobody_can_be_told_why(tmp_path: Path) -> None:
    """Else its processes would go on, with nobody to watch over them."""

    class Mute:
        def update(self, *_: object, **__: object) -> None:
            raise ConfigError("wrong")

        def fail(self, _: str) -> None:
            raise OSError("no space")

    ground = Ground(tmp_path)
    unused: Any = None
    mute: Any = Mute()
    bootstrap: Any = SimpleNamespace(demand_broker=lambda: None)
    ours = Supervisor(ground.base, [SLOT], {True: ground, False: ground}, unused, mute)
    with pytest.raises(OSError, match="no space"):
        ours.run(bootstrap, threading.Event())
    assert [p.runs for p in ground.processes.values()] == [False]


def test_a_hung_worker_is_killed_only_while_reports_can_be_read_and_until_it_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the partition with the reports has no leader, all are silent; a kill that failed is tried again."""
    now = [0.0]
    monkeypatch.setattr(life_signs.time, "monotonic", lambda: now[0])
    ground = Ground(tmp_path)
    unused: Any = None
    ours = Supervisor(ground.base, [SLOT], {True: ground, False: ground}, unused, unused)
    ours._life_signs = life_signs.LifeSigns(30.0, lambda: now[0])
    ours._crew.start([SLOT])
    kills: list[str] = []
    monkeypatch.setattr(ours._crew, "kill_hung", kills.append)  # in vain
    answers: list[Exception | None] = [BrokerUnavailable("no leader")]

    def demand_reports() -> None:
        found = answers.pop(0) if answers else None
        if found is not None:
            raise found

    bootstrap: Any = SimpleNamespace(demand_reports=demand_reports)
    for _ in range(12):
        now[0] += 20.0
        ours._end_hung_workers(bootstrap)
    worker = ours._crew.alive()[0]
    assert kills == [worker, worker, worker]
