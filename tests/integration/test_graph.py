from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.performer_world import PerformerWorld, eventually

from rivergate.domain import names
from rivergate.runtime.kafka import LocalKafka


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> Iterator[PerformerWorld]:
    """A graph's shard; the test plays gate and effects."""
    made = PerformerWorld(kafka.bootstrap, tmp_path, names.agent_stage("triage"))
    yield made
    made.close()


def results(world: PerformerWorld) -> dict[str, str]:
    """Last message of each graph that ended, by event id."""
    ended = [v for v in world.values("responses") if v["what"] == "result"]
    return {v["event_id"]: v["result"]["messages"][-1]["content"] for v in ended}


def asked(world: PerformerWorld) -> int:
    """How often the model was really asked."""
    return len((world.folder / "asked").read_text().splitlines())


def test_a_graph_killed_between_proposal_and_outcome_goes_on_where_it_was(world: PerformerWorld) -> None:
    """What came while nobody owned the shard is its tool's result; nothing is proposed, asked or answered twice."""
    for n in range(3):
        world.send("alarms", {"machine": f"press-{n}", "code": n}, key=f"press-{n}")
    first = world.start()
    eventually(lambda: len(world.values("proposals")) == 3)
    world.kill(first)
    assert asked(world) == 3
    pids = {v["arguments"]["machine"]: v["proposal_id"] for v in world.values("proposals")}
    event = {"topic": "alarms", "partition": 0, "offset": 0}
    done = {"status": "done", "detail": "restarted", "event_id": "e", "event": event}
    world.send("outcomes", {"proposal_id": pids["press-0"], **done}, ce_type=names.OUTCOME_V1)
    second = world.start()
    eventually(lambda: len(results(world)) == 1)
    world.kill(second)
    world.send("denials", {"proposal_id": pids["press-1"], "reason": "not today"}, ce_type=names.DENIAL_V1)
    world.start()
    world.send("outcomes", {"proposal_id": pids["press-2"], **done}, ce_type=names.OUTCOME_V1)
    eventually(lambda: len(results(world)) == 3)
    at = f"{world.app}.alarms/0/"
    told = {k.removeprefix(at): v for k, v in results(world).items()}
    assert {"restarted" in told["0"], "not today" in told["1"], "restarted" in told["2"]} == {True}
    assert len(world.values("proposals")) == 3
    assert asked(world) == 6, "a model's answer is paid for once"
    eventually(lambda: world.journal()[-1].open == ())
