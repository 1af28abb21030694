"""A slow effector and a full review queue make events wait on a real Kafka, and lose none of them."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.chaos.reviewer import Reviewer
from tests.integration.braked_app.app import DONE, HOLD

from rivergate.adapters import kafka_reader
from rivergate.adapters.kafka_lag import LagClient
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_status import read_statuses
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MIB = 1024**2
ROOT = Path(__file__).parents[2]
PARTITIONS = 2
BATCH, OPEN, WAITING, REVIEWS = 10, 8, 40, 30
LIMITS = {
    "batch": BATCH,
    "open": OPEN,
    "proposals_waiting": WAITING,
    "actions_waiting": WAITING,
    "reviews_waiting": REVIEWS,
}
AT_MOST = WAITING + BATCH + 1
"""The limit, a batch, and the batch's marker."""
BURST = 600


class Place:
    """The app as it runs, what is sent to it, and what can be seen of it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.name = session.options.app.name
        self._sent = 0
        self._consumers: dict[str, Consumer] = {}

    def burst(self, count: int, *, costly: bool) -> None:
        """Orders, alternately for the partitions."""
        producer = Producer({"bootstrap.servers": self.session.bootstrap, "enable.idempotence": True})
        for n in range(self._sent, self._sent + count):
            value = orjson.dumps({"key": f"k{n}", "n": n, "costly": costly})
            producer.produce(f"{self.name}-orders", value, f"k{n}", n % PARTITIONS)
        self._sent += count
        assert producer.flush(20) == 0

    def lags(self, stage: str, topic: str) -> list[int]:
        """How far a stage is behind on each partition, by what the broker says to everybody."""
        looking = self._consumers.get(stage) or Consumer(
            {"bootstrap.servers": self.session.bootstrap, "group.id": f"{self.name}.{stage}"}
        )
        self._consumers[stage] = looking
        found = []
        for p in range(PARTITIONS):
            _, end = looking.get_watermark_offsets(TopicPartition(topic, p), timeout=10)
            [at] = looking.committed([TopicPartition(topic, p)], timeout=10)
            found.append(max(0, end - max(0, at.offset)))
        return found

    def hops(self) -> tuple[list[int], list[int]]:
        """(proposals that the gate hasn't read, actions that effects haven't read)."""
        return self.lags("gate", f"{self.name}.proposals"), self.lags("effects", f"{self.name}.actions")

    def waits(self) -> dict[str, str]:
        """What shards say that they wait for."""
        statuses = read_statuses(self.session.bootstrap, self.name).values()
        return {f"{s.stage}/{s.shard}": s.reason for s in statuses if s.reason.startswith("waits")}

    def values(self, topic: str) -> list[dict[str, Any]]:
        """JSON values of a system topic."""
        reader = KafkaReader(self.session.bootstrap, "test")
        name = f"{self.name}.{topic}"
        found = [orjson.loads(r.value or b"") for p in range(PARTITIONS) for r in reader.scan(name, p)]
        reader.close()
        return found

    def done(self) -> list[int]:
        """Numbers of the orders that were delivered, in the world's own words."""
        path = self.session.data.root / DONE
        return [orjson.loads(x)["arguments"]["n"] for x in path.read_bytes().splitlines()] if path.exists() else []

    def until(self, holds: Callable[[], bool], timeout_s: float = 90.0) -> bool:
        """Wait until it holds; meanwhile no hop may hold more than it may."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            self.session.demand_alive()
            proposals, actions = self.hops()
            assert max(proposals + actions) <= AT_MOST, (proposals, actions)
            if time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Give up the connections."""
        for consumer in self._consumers.values():
            consumer.close()


@pytest.fixture
def place(kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The whole app with small limits, in processes of its own."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    app = AppRef("tests.integration.braked_app.app:app", f"t{uuid.uuid4().hex[:8]}", PARTITIONS)
    options = RunOptions(app, tmp_path, bootstrap=kafka.bootstrap, host="local", spares=0, limits=LIMITS)
    with running(options) as session:
        made = Place(session)
        yield made
        made.close()


def ends(place: Place) -> Counter[str]:
    """How often each proposal has ended: by an outcome, or by a denial."""
    finals = [v["proposal_id"] for v in place.values("outcomes") if "status" in v]
    return Counter([*finals, *(v["proposal_id"] for v in place.values("denials"))])


def test_a_slow_effector_stops_intake_hop_by_hop(place: Place) -> None:
    """What effects don't read waits up to the limit, then what the gate doesn't, then the events; and all goes on."""
    hold = place.session.data.root / HOLD
    hold.touch()
    place.burst(BURST, costly=False)
    waiting = {"gate/0", "agent-clerk/0", "agent-clerk/1"}
    assert place.until(lambda: place.waits().keys() == waiting), place.waits()
    said = place.waits()
    assert "waits for effects/0 (" in said["gate/0"]
    assert said["agent-clerk/0"].startswith("waits for gate/0 (")
    assert min(place.lags("agent-clerk", f"{place.name}-orders")) > BURST // PARTITIONS - 2 * AT_MOST - OPEN - 1
    assert place.done() == []
    hold.unlink()
    assert place.until(lambda: sum(ends(place).values()) >= BURST)
    assert place.until(lambda: not place.waits())
    assert sorted(place.done()) == list(range(BURST))
    proposed = [v["proposal_id"] for v in place.values("proposals")]
    assert ends(place) == dict.fromkeys(proposed, 1)
    assert len(proposed) == BURST


def test_a_full_review_queue_stops_intake_until_people_answer(place: Place) -> None:
    """Their answers get in while proposals wait; no proposal is denied because the queue is full."""
    place.burst(BURST // 3, costly=True)
    assert place.until(lambda: place.waits().keys() >= {"gate/0", "agent-clerk/0", "agent-clerk/1"}), place.waits()
    assert place.waits()["gate/0"].startswith("waits for people (")
    opened = [v for v in place.values("reviews") if "quorum" in v]
    assert REVIEWS <= len(opened) < REVIEWS + BATCH
    reviewer = Reviewer(lambda: place.session.data.token_file, was_done=lambda _: False)
    reviewer.start()
    assert place.until(lambda: sum(ends(place).values()) >= BURST // 3)
    assert place.until(lambda: not place.waits())
    reviewer.stop()
    reviewer.join(10)
    proposed = [v["proposal_id"] for v in place.values("proposals")]
    assert ends(place) == dict.fromkeys(proposed, 1)
    assert sorted(place.done()) == [n for n in range(BURST // 3) if n % 3]


def test_a_broker_that_is_away_is_waited_for_by_nobody() -> None:
    """A question without an answer is none, and costs the shard no time."""
    lag = LagClient("127.0.0.1:1").lag("app.gate", [("app.proposals", 0)])
    began = time.monotonic()
    assert lag.ask()
    assert lag.answer() is None
    assert time.monotonic() - began < 1.0
    while not lag.ask():
        assert lag.answer() is None
        assert time.monotonic() - began < 60.0


def test_a_reader_that_merges_partitions_holds_a_bounded_part_of_each(
    kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that are large count by their bytes: the partition that isn't asked for waits on the log."""
    monkeypatch.setattr(kafka_reader, "BUFFERED_BYTES", 2 * MIB)
    topic, count, size = f"t{uuid.uuid4().hex[:8]}-large", 800, 50_000
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(topic, 2)])[topic].result()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for n in range(2 * count):
        producer.produce(topic, os.urandom(size), partition=n % 2)
        producer.poll(0)
    assert producer.flush(60) == 0
    reader = KafkaReader(kafka.bootstrap, "test")
    one, other = reader.read(topic, 0, 0, count), reader.read(topic, 1, 0, count)
    next(other)
    held = [reader._streams[topic, 1].size for _ in one]
    assert len(held) == count
    assert max(held) <= 2 * MIB + 20 * MIB, "what was fetched before it was paused"
    assert sum(1 for _ in other) == count - 1
    assert reader._streams[topic, 1].size == 0
    reader.close()
