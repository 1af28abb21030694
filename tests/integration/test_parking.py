"""Shards that an operator parks on purpose: they stop in good order and stay parked until they are resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.checker import check
from tests.integration import bad_world
from tests.integration.bad_world import STAGE, World, until
from typer.testing import CliRunner

from rivergate.cli.main import app as cli
from rivergate.domain.errors import BadInput, RivergateError, ShardParked
from rivergate.runtime.kafka import LocalKafka


def shards(world: World, *words: str) -> str:
    """What `rivergate shards` prints. Raises what it ends with."""
    result = CliRunner().invoke(cli, ["shards", *words, "--app", world.name, "--data-dir", str(world.data.root)])
    if isinstance(result.exception, RivergateError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def is_parked(world: World, worker: str = "", stage: str = STAGE) -> bool:
    """Whether the newest report says so, of another worker than that."""
    found = world.status(stage)
    return found is not None and found.state == "parked" and found.worker != worker


@pytest.mark.slow
def test_a_parked_shard_stays_parked_over_restarts_until_it_is_resumed(kafka: LocalKafka, tmp_path: Path) -> None:
    """Of its worker and of the app; the list says who parked it and why, and nothing is lost or handled twice."""
    world = World(kafka.bootstrap, tmp_path)
    with world.running() as session:
        world.send({"n": n} for n in range(3))
        assert until(lambda: world.done() == [0, 1, 2])
        with pytest.raises(BadInput, match="has no shard agent-cuonter/0") as caught:
            shards(world, "park", "agent-cuonter/0")
        assert caught.value.remedy == "did you mean 'agent-counter/0'?"
        assert shards(world, "park", f"{STAGE}/0", "--reason", "the feed lies") == f"{STAGE}/0 is parked\n"
        before = world.status()
        assert before is not None
        assert before.reason.startswith("parked by ")
        assert ": the feed lies\n→ `rivergate shards resume agent-counter/0 --app" in before.reason
        world.send([{"n": 3}])
        world.worker(session).kill()
        assert until(lambda: is_parked(world, before.worker))
        assert until(lambda: session.running is not None and f"{STAGE}/0" in session.running.parked)
        session.demand_alive()
    with world.running():
        assert is_parked(world)
        assert "the feed lies" in shards(world, "list").replace("\n", " ")
        assert world.done() == [0, 1, 2]
        shards(world, "resume", f"{STAGE}/0")
        assert until(lambda: world.done() == [0, 1, 2, 3])
        assert not is_parked(world)
        shards(world, "park", "gate/0")
    with world.running():
        assert is_parked(world, stage="gate")
        world.send([{"n": 4}])
        assert until(lambda: [p["arguments"]["n"] for p in world.values("proposals")] == [0, 1, 2, 3, 4])
    world.ref = replace(world.ref, reference=f"{bad_world.__name__}:changed")
    with pytest.raises(ShardParked, match="nothing of gate runs: parked by ") as refused, world.running():
        pytest.fail("it started under a policy that nobody has put in force")
    assert "rivergate shards resume gate/0" in refused.value.remedy
    assert world.done() == [0, 1, 2, 3]
    shards(world, "resume", "gate/0")
    with world.running():
        assert until(lambda: world.done() == [0, 1, 2, 3, 4])
        assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
