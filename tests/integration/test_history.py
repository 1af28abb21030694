"""A second agent joins a running app: it learns all of history, says nothing of it, and goes on from there."""

from __future__ import annotations

import itertools
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from tests.checker import check
from tests.integration.history_app.app import Colleague

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_status import ShardStatus, read_statuses
from rivergate.agents.fold import AgentFold
from rivergate.demos.shuttle.telemetry import ShuttleTelemetry
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Headers, Record
from rivergate.ports import Batch, Outputs
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef, ProcessSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
HISTORY, NEWS = 1200, 100
LATE = 20
EVERY_MS = 100
"""History of two minutes, however fast it is written."""
FINELY = {"limits": {"batch": 3}}
"""Each shard catches up in some hundred commits."""
STAGE = "agent-colleague"


class Place:
    """An app on the shared broker: starts it, feeds it, and reads what it wrote."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.sent = 0
        self.began_ms = time.time_ns() // 1_000_000 - HISTORY * EVERY_MS
        self._readings = itertools.cycle(ShuttleTelemetry())
        self._truths: list[bool] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})

    def app(self, which: str) -> AppRef:
        """`before` or `after`."""
        return AppRef(f"tests.integration.history_app.app:{which}", self.name, PARTITIONS)

    def run(self, which: str, **options: Any) -> Any:
        """The app in processes of its own, until the context ends."""
        return running(
            RunOptions(self.app(which), self.folder, bootstrap=self.bootstrap, host="local", spares=0, **options)
        )

    def feed(self, count: int) -> None:
        """Readings, alternately for the partitions, and truths about earlier ones."""
        for _ in range(count):
            sensors, truth = next(self._readings)
            self._truths.append(truth)
            self._send(f"{self.name}-telemetry", self.sent, {"machine": f"m{self.sent % 7}", "sensors": sensors})
            known = self.sent - LATE
            if known >= 0:
                event = {"topic": f"{self.name}-telemetry", "partition": known % 2, "offset": known // 2}
                event_id = "/".join(map(str, event.values()))
                label = {"event_id": event_id, "event": event, "value": self._truths[known], "source": "topic"}
                headers = event_headers("/truth", names.LABEL_V1, f"label-{known}", time.time_ns() // 1000)
                self._send(f"{self.name}.labels", known, label, headers)
            self.sent += 1
        assert self._producer.flush(20) == 0

    def _send(self, topic: str, number: int, value: dict[str, Any], headers: Headers | None = None) -> None:
        stamp = min(self.began_ms + self.sent * EVERY_MS, time.time_ns() // 1_000_000)
        self._producer.produce(
            topic, orjson.dumps(value), b"k", number % PARTITIONS, timestamp=stamp, headers=dict(headers or [])
        )
        self._producer.poll(0)

    def records(self, topic: str) -> list[Record]:
        """All committed records of a topic."""
        reader = KafkaReader(self.bootstrap, f"{self.name}.test")
        try:
            return [r for p in range(PARTITIONS) for r in reader.scan(topic, p)]
        finally:
            reader.close()

    def journal(self, stage: str) -> list[CommitRecord]:
        """Commit records of both shards."""
        return [CommitRecord.from_json(r.value or b"") for r in self.records(f"{self.name}.journal.{stage}")]

    def read_up_to(self, stage: str) -> dict[tuple[str, int], int]:
        """Where the stage reads on."""
        return {(r.topic, r.partition): r.end for c in self.journal(stage) for r in c.ranges}

    def has_read_all(self, stage: str) -> bool:
        """All readings, and all that is known about them by now."""
        at = self.read_up_to(stage)
        ends = {(r.topic, r.partition): r.offset + 1 for t in self.inputs for r in self.records(t)}
        return all(at.get(tp, 0) >= end for tp, end in ends.items())

    @property
    def inputs(self) -> list[str]:
        """Topics that the agents read."""
        return [f"{self.name}-telemetry", f"{self.name}.labels"]

    def proposals(self, agent: str) -> list[dict[str, Any]]:
        """What an agent has proposed."""
        found = [r.json_object or {} for r in self.records(f"{self.name}.proposals")]
        return [v for v in found if v["agent"] == agent]

    def statuses(self) -> list[ShardStatus]:
        """What every shard last said of itself."""
        return list(read_statuses(self.bootstrap, self.name).values())

    def spec(self) -> ProcessSpec:
        """For those who replay."""
        return ProcessSpec("replay", "", "test", self.app("after"), self.bootstrap, str(self.folder))


@pytest.fixture
def place(kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An app with a history, during which the watcher worked alone."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    found = Place(kafka.bootstrap, tmp_path)
    with found.run("before") as session:
        found.feed(HISTORY)
        until(session, lambda: found.has_read_all("agent-watcher"))
    return found


def until(session: Session, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        session.demand_alive()
        assert time.monotonic() < deadline


def test_a_colleague_learns_all_and_says_nothing_of_the_past(place: Place) -> None:
    """Killed in the middle it goes on muted; of what comes afterwards it speaks; all can be replayed."""
    with place.run("after", begin={STAGE: "beginning"}, extra=FINELY) as session:
        until(session, lambda: any("catching up, muted" in s.reason and s.share for s in place.statuses()))
        kill(session)
        until(session, lambda: len({c.worker for c in place.journal(STAGE)}) > 1)
        until(session, lambda: place.has_read_all(STAGE))
        until(session, lambda: all(s.share is None for s in place.statuses()))
        assert place.proposals("colleague") == []
        place.feed(NEWS)
        until(session, lambda: place.has_read_all(STAGE))
        until(session, lambda: place.has_read_all("agent-watcher"))
    journal = place.journal(STAGE)
    muted = [c for c in journal if c.muted is not None]
    workers = {c.worker for c in muted}
    assert len(workers) > 1, "the killed one had caught up already"
    assert sum(c.muted.outputs.get(f"{place.name}.proposals", 0) for c in muted if c.muted) > 0
    assert len([c for c in journal if c.began]) == PARTITIONS

    said = place.proposals("colleague")
    assert said
    assert min(p["event"]["offset"] for p in said) >= HISTORY // 2
    demand_same_model(place)
    shards = [[STAGE, shard, None, None] for shard in range(PARTITIONS)]
    again = ask_own_process(
        place.spec(), {"what": "replay", "actions": [], "events": [], "shards": shards, "all": False}
    )
    assert again["identical"] is True
    assert sum(p["commits"] for p in again["parts"]) == len(journal)
    then = ask_own_process(
        place.spec(),
        {"what": "state", "agent": "colleague", "shard": 0, "at": "10", "predict": None, "event_class": None},
    )
    assert (then["commits"], then["clock"]) == (11, next(c.clock for c in journal if (c.shard, c.seq) == (0, 10)))
    assert check(place.bootstrap, place.name, settled=False) == []


def test_a_colleague_that_begins_at_a_time_passes_over_the_rest(place: Place) -> None:
    """It is as if it had read nothing before; the journal says what it passed over, and nobody misses it."""
    times = [r.timestamp_ms for r in place.records(place.inputs[0]) if r.partition == 0]
    first = times.index(times[len(times) // 2])
    since = rfc3339(times[first] * 1000)
    with place.run("after", begin={STAGE: since}) as session:
        until(session, lambda: place.has_read_all(STAGE))
    journal = place.journal(STAGE)
    began = next(c for c in journal if c.began and c.shard == 0)
    [(start, end)] = [(r.start, r.end) for r in began.ranges if r.topic == place.inputs[0]]
    assert (start, end) == (0, first)
    assert first > 0
    assert place.proposals("colleague") == []
    assert check(place.bootstrap, place.name, settled=False) == []


def kill(session: Session) -> None:
    """The colleague's only process."""
    state = session.running
    assert state is not None
    [worker] = [p for p in state.processes if p.stage == STAGE and p.alive]
    os.kill(worker.pid, signal.SIGKILL)


def knowledge(agent: Colleague) -> tuple[Any, ...]:
    """All numbers of its model."""
    scaler, regression = agent.model["StandardScaler"], agent.model["LogisticRegression"]
    return regression.weights, regression.intercept, scaler.means, scaler.vars, scaler.counts


def demand_same_model(place: Place) -> None:
    """Each shard's model equals that of a sequential run: a record at a time, in the order of the log."""
    with RecordedApp(place.spec()) as recorded:
        for shard in range(PARTITIONS):
            past = recorded.past(STAGE, shard)
            past.go_to(max(c.seq for c in place.journal(STAGE) if c.shard == shard) + 1)
            learnt = past.fold
            assert isinstance(learnt, AgentFold)
            memory = learnt.state.memory
            assert (memory.forgotten, memory.expired_labels, len(memory.early)) == (0, 0, 0)
            sequential = AgentFold(place.name, Colleague)
            records = [r for t in place.inputs for r in place.records(t) if r.partition == shard]
            for seq, record in enumerate(sorted(records, key=lambda r: r.timestamp_ms)):
                batch = Batch(place.name, STAGE, shard, seq, record.timestamp_ms * 1000, lambda: 0)
                sequential.fold(batch, [record], Outputs())
            one, other = learnt.state.agent, sequential.state.agent
            assert isinstance(one, Colleague)
            assert isinstance(other, Colleague)
            assert one.figures.labels == other.figures.labels > 0
            assert knowledge(one) == knowledge(other)
