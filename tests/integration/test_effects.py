from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from tests.integration.performer_world import PerformerWorld, eventually

from rivergate.domain import names
from rivergate.runtime.kafka import LocalKafka

ACTIONS = 120


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> Iterator[PerformerWorld]:
    """An effects shard that writes `orders.jsonl`."""
    made = PerformerWorld(kafka.bootstrap, tmp_path, names.EFFECTS)
    yield made
    made.close()


def test_killed_performers_do_every_action_once(world: PerformerWorld) -> None:
    """Four owners, three of them killed at random moments: each order once in the file, each outcome once on the log."""
    pids: list[str] = []
    chance = random.Random(11)
    for owner in range(4):
        pids += [world.act(n) for n in range(len(pids), len(pids) + ACTIONS // 4)]  # each owner has something to do
        process = world.start()
        if owner == 3:
            break
        eventually(lambda n=owner: bool(world.journal()) and world.journal()[-1].epoch == n)
        goal = min(len(world.finals()) + chance.randrange(3), len(pids))
        eventually(lambda goal=goal: len(world.finals()) >= goal)
        world.kill(process)
    eventually(lambda: len(world.finals()) >= ACTIONS)
    lines = [orjson.loads(line)["proposal_id"] for line in (world.folder / "orders.jsonl").read_bytes().splitlines()]
    assert Counter(lines) == Counter(pids)
    assert Counter(world.finals()) == Counter(pids)
    intents = {v["proposal_id"] for v in world.values("outcomes") if "not_after" in v}
    assert intents == set(pids)
    eventually(lambda: world.journal()[-1].open == ())
    journal = world.journal()
    assert [r.seq for r in journal] == list(range(len(journal)))
    assert journal[-1].epoch == 3
