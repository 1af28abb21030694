"""A broker that goes away while an app runs, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.checker import check
from tests.integration.bad_world import World, until

from rivergate.runtime.kafka import LocalKafka


@pytest.mark.slow
def test_a_broker_that_goes_away_and_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Everything waits and goes on: a stage whose worker died meanwhile too. Nothing is lost or done twice, and nothing
    of it reaches the terminal.
    """
    with LocalKafka(tmp_path / "kafka") as kafka:
        world = World(kafka.bootstrap, tmp_path / "app")
        with world.running() as session:
            world.send({"n": n} for n in range(50))
            assert until(lambda: len(world.done()) > 5)
            kafka.kill()
            session.demand_alive()
            world.worker(session).kill()
            kafka.start()
            world.send({"n": n} for n in range(50, 60))
            assert until(lambda: world.done() == list(range(60)), 60.0)
            kafka.stop()
            kafka.start()
            world.send({"n": n} for n in range(60, 70))
            assert until(lambda: world.done() == list(range(70)), 60.0)
            session.demand_alive()
            assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
            for stage in ("agent-counter", "gate", "effects"):
                found = world.status(stage)
                assert found is not None
                assert found.state == "running", found
    assert [v for v in capfd.readouterr() if v] == []
