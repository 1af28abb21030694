from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef
from rivergate.runtime.supervision.changes import Change, ask, wait_for_answer

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
MACHINES = ["press-1", "press-2", "furnace", "press-3", "press-4"]


@pytest.fixture
def session(kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The whole app: graph, gate, effects and the rest, in processes of their own."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    app = AppRef("tests.integration.graph_app.app:app", f"t{uuid.uuid4().hex[:8]}", PARTITIONS)
    with running(RunOptions(app, tmp_path, bootstrap=kafka.bootstrap, host="local")) as started:
        yield started


def values(session: Session, topic: str) -> list[dict[str, Any]]:
    """JSON values on a system topic."""
    reader = KafkaReader(session.bootstrap, "test")
    name = f"{session.options.app.name}.{topic}"
    found = [orjson.loads(r.value or b"") for p in range(PARTITIONS) for r in reader.scan(name, p)]
    reader.close()
    return found


def results(session: Session) -> list[str]:
    """Last message of each graph that has ended."""
    ended = [v for v in values(session, "responses") if v["what"] == "result"]
    return [v["result"]["messages"][-1]["content"] for v in ended]


def wait_for(session: Session, count: int) -> list[str]:
    """Results, once there are that many."""
    deadline = time.monotonic() + 60
    while len(found := results(session)) < count:
        session.demand_alive()
        assert time.monotonic() < deadline, found
    return found


def send_alarms(session: Session) -> None:
    """One of each machine."""
    producer = Producer(
        {"bootstrap.servers": session.bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True}
    )
    for machine in MACHINES:
        producer.produce(f"{session.options.app.name}-alarms", orjson.dumps({"machine": machine}), machine.encode())
    assert producer.flush(10) == 0


def test_a_graph_in_a_running_app_acts_through_gate_and_effects(session: Session) -> None:
    """What the policy allows is done and told to the graph, what it denies is told too; a killed worker changes nothing."""
    send_alarms(session)
    found = wait_for(session, len(MACHINES))
    assert sum("written to work-orders.jsonl" in r for r in found) == 4
    assert sum("denied" in r for r in found) == 1
    state = session.running
    assert state is not None
    (worker,) = [p for p in state.processes if p.stage == "agent-triage" and p.alive and p.has_shards]
    send_alarms(session)
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(session, 2 * len(MACHINES))
    proposals = [v["proposal_id"] for v in values(session, "proposals")]
    assert len(proposals) == len(set(proposals)) == 10
    orders = (session.data.root / "work-orders.jsonl").read_bytes().splitlines()
    assert len({orjson.loads(line)["proposal_id"] for line in orders}) == len(orders) == 8


def test_a_graph_moves_to_more_workers_and_to_new_ones(session: Session) -> None:
    """What is open goes on elsewhere, and nothing is proposed twice."""
    for rounds, change in enumerate((Change(("agent-triage",), 2), Change(("agent-triage",))), 1):
        send_alarms(session)
        answer = wait_for_answer(session.data, ask(session.data, change), lambda _: None, session.demand_alive)
        assert {m["state"] for m in answer.moved} == {"running"}
        wait_for(session, rounds * len(MACHINES))
    state = session.running
    assert state is not None
    assert sum(p.has_shards for p in state.processes if p.stage == "agent-triage") == 2
    send_alarms(session)
    wait_for(session, 3 * len(MACHINES))
    proposals = [v["proposal_id"] for v in values(session, "proposals")]
    assert len(proposals) == len(set(proposals)) == 15
