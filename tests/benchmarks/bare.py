"""The peer: a bare exactly-once loop on confluent-kafka, as one writes it by hand, that reads and writes the same records.

It has the same client settings as rivergate's own and the same setting of Python's garbage collector. What it lacks is
what the comparison is about: a journal, digests, spans, snapshots, dead letters, a gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from tests.benchmarks import by_hand
from tests.benchmarks.by_hand import PROPOSING, Stamps, event_id_of
from tests.benchmarks.telling import Clock, collect_rarely

TIMEOUT_S = 10.0


@dataclass(slots=True)
class Loop:
    """consume → transactional produce → send_offsets → commit, until every input is read to its end or `stop`.

    `job` is what the process was told: clients' settings, inputs with the offset at which each ends (a negative one
    means that it never does), the batch, and whether `consume` may wait until one is full.
    """

    job: dict[str, Any]
    committed: Callable[[int], None] | None = None
    """Told after each commit where it stands on its first input."""
    commits: int = 0
    stamps: Stamps = field(init=False)

    def __post_init__(self) -> None:
        self.stamps = Stamps(self.job["app"], self.job["stage"])

    def run(self, handle: Handle, ready: Callable[[], None], stop: Callable[[], bool]) -> dict[str, float]:
        """Seconds from the first read to the last commit, on the wall and of the processor."""
        inputs: dict[str, int] = self.job["inputs"]
        collect_rarely(self.job["garbage"])
        consumer = Consumer(self.job["consumer"])
        producer = Producer(self.job["producer"])
        producer.init_transactions(TIMEOUT_S)
        consumer.assign([TopicPartition(t, 0, 0) for t in inputs])
        clock = Clock()
        first_input, at_first = next(iter(inputs)), 0
        left = {t: end for t, end in inputs.items() if end != 0}
        ready()
        clock.start()
        while left and not stop():
            messages = [m for m in self._consume(consumer) if m.error() is None]
            if not messages:
                continue
            producer.begin_transaction()
            self.stamps.start_batch(self.commits)
            positions: dict[str, int] = {}
            for n, m in enumerate(messages):
                handle(self.stamps, producer, m, n)
                positions[str(m.topic())] = int(m.offset() or 0) + 1
            offsets = [TopicPartition(t, 0, at) for t, at in positions.items()]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
            producer.commit_transaction(TIMEOUT_S)
            self.commits += 1
            at_first = positions.get(first_input, at_first)
            if self.committed is not None:
                self.committed(at_first)
            for t, at in positions.items():
                if at == left.get(t):
                    del left[t]
        figures = clock.figures()
        consumer.close()
        return figures

    def _consume(self, consumer: Consumer) -> list[Message]:
        batch = self.job["batch"]
        if self.job["full"]:
            return consumer.consume(batch, 0.1)
        first = consumer.consume(1, 0.1)
        return first + consumer.consume(batch - 1, 0) if first else first


Handle = Callable[[Stamps, Producer, Any, int], None]


def passing() -> Handle:
    """Decode, encode, write."""
    topic = ""

    def handle(stamps: Stamps, producer: Producer, m: Any, n: int) -> None:
        nonlocal topic
        topic = topic or f"{stamps.app}-copies"
        there = dict(m.headers())
        value = orjson.loads(m.value())
        headers = stamps.copy_headers(there["traceparent"], n)
        producer.produce(topic, orjson.dumps(by_hand.copied(value)), value["line"].encode(), headers=headers)

    return handle


def learning(model: Any, counts: dict[str, int]) -> Handle:
    """Predict, remember, propose for one in ten, learn when the label comes."""
    predict, label = by_hand.learning(model, counts)

    def handle(stamps: Stamps, producer: Producer, m: Any, n: int) -> None:
        value = orjson.loads(m.value())
        if m.topic().endswith(".labels"):
            label(value)
            return
        there = dict(m.headers())
        event_id = event_id_of(there)
        sure = predict(event_id, value)
        if value["n"] % PROPOSING == 0:
            propose(stamps, producer, m, n, value, there, sure)

    return handle


def asking() -> Handle:
    """First hop: a proposal for every event."""

    def handle(stamps: Stamps, producer: Producer, m: Any, n: int) -> None:
        propose(stamps, producer, m, n, orjson.loads(m.value()), dict(m.headers()), 0.5)

    return handle


def judging() -> Handle:
    """Second hop: an action for every proposal."""

    def handle(stamps: Stamps, producer: Producer, m: Any, n: int) -> None:
        there = dict(m.headers())
        value = orjson.loads(m.value())
        action = {k: value[k] for k in ("proposal_id", "kind", "arguments", "arguments_digest", "event_id", "event")}
        action |= {
            "policy_digest": "0" * 64,
            "verdict": "allow",
            "rules": [{"id": "inspect-freely", "verdict": "allow", "because": "An inspection costs a walk."}],
            "decisions": [],
            "expires_at": value["expires_at"],
        }
        headers = stamps.headers(there["ce_id"], b"rivergate.action.v1", there["traceparent"], n)
        producer.produce(f"{stamps.app}.actions", orjson.dumps(action), m.key(), 0, headers=headers)

    return handle


def propose(
    stamps: Stamps, producer: Producer, m: Any, n: int, value: dict[str, Any], there: dict[str, bytes], sure: float
) -> None:
    """Write a record of a proposal's shape."""
    proposal = stamps.proposal(value, event_id_of(there), m.topic(), m.offset(), sure)
    headers = stamps.proposal_headers(value["n"], there["traceparent"], n)
    producer.produce(f"{stamps.app}.proposals", orjson.dumps(proposal), m.key(), 0, headers=headers)
