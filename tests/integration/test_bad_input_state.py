"""What a shard stands on is damaged between two runs: it goes on from the log, or parks and says why."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from rich.console import Console
from tests.checker import check
from tests.integration.bad_world import STAGE, World, until

from rivergate.cli.run import tell_parked
from rivergate.runtime.kafka import LocalKafka


@pytest.mark.slow
def test_lost_offsets_flipped_snapshots_and_a_retention_that_was_too_short(kafka: LocalKafka, tmp_path: Path) -> None:
    """Deleted offsets come back from the journal, and damaged snapshots are passed over for the log; unread records
    that retention has removed can't be replaced, so the shard parks and says what is missing, and the others start.
    """
    world = World(kafka.bootstrap, tmp_path)
    with world.running():
        world.send({"n": n} for n in range(4))
        assert until(lambda: world.done() == [0, 1, 2, 3])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for stage in (STAGE, "gate", "effects"):
        for deleted in admin.delete_consumer_groups([f"{world.name}.{stage}"]).values():
            deleted.result()
    snapshots = [p for p in Path(world.data.snapshots).rglob("*") if p.is_file()]
    assert len(snapshots) == 2, "one of the agent's shard, one of the gate's"
    for path in snapshots:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    world.send({"n": n} for n in range(4, 8))
    with world.running():
        assert until(lambda: world.done() == list(range(8)))
        assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
    assert [v["arguments"]["seen"] for v in world.values("proposals")] == list(range(1, 9))
    assert "don't hash to its name" in world.log()
    world.send({"n": n} for n in range(8, 12))
    for removed in admin.delete_records([TopicPartition(world.events, 0, 10)]).values():
        removed.result()
    with world.running() as session:
        assert until(lambda: session.running is not None and f"{STAGE}/0" in session.running.parked)
        found, gate = world.status(), world.status("gate")
        assert found is not None
        assert re.search(r"up to 8, but retention has removed .* before 10", found.reason)
        assert "raise the topic's retention" in found.reason
        assert gate is not None
        assert gate.state == "running", "the rest of the app runs"
        session.demand_alive()
    assert world.done() == list(range(8))


@pytest.mark.slow
def test_an_agent_that_is_not_deterministic(kafka: LocalKafka, tmp_path: Path) -> None:
    """A worker that took over reaches other outputs than recorded: the shard parks and names the commit; the rest of
    the app runs on, and what was done stays done.
    """
    world = World(kafka.bootstrap, tmp_path, "gambler")
    with world.running() as session:
        world.send({"n": n} for n in range(4))
        assert until(lambda: world.done() == [0, 1, 2, 3])
        world.worker(session).kill()
        assert until(lambda: (found := world.status()) is not None and found.state == "parked")
        found = world.status()
        assert found is not None
        assert "folding commit 0 of agent-counter/0 again gives" in found.reason
        assert "isn't deterministic" in found.reason
        assert until(lambda: session.running is not None and f"{STAGE}/0" in session.running.parked)
        console = Console(file=io.StringIO(), width=400)
        assert found.reason == tell_parked(console, session, {})[f"{STAGE}/0"]
        assert isinstance(console.file, io.StringIO)
        assert "parked agent-counter/0: " in console.file.getvalue()
        session.demand_alive()
    assert world.done() == [0, 1, 2, 3]
    assert len(world.values("proposals")) == 4
