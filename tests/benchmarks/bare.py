"""The peer: a bare exactly-once loop on confluent-kafka, as one writes it by hand, that reads and writes the same records.

It has the same client settings as rivergate's own and the same setting of Python's garbage collector. What it lacks is
what the comparison is about: a journal, digests, spans, snapshots, dead letters, a gate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from tests.benchmarks.world import PROPOSING

from rivergate.adapters import kafka_settings
from rivergate.domain.clock import rfc3339
from rivergate.runtime.garbage import collect_rarely

TIMEOUT_S = 10.0
Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Loop:
    """consume → transactional produce → send_offsets → commit, until every input is read to its end or `stop`."""

    bootstrap: str
    app: str
    name: str
    inputs: dict[str, int]
    """Topic to the offset at which it ends; a negative one means that it never does."""
    batch: int
    full: bool = True
    """Whether `consume` may wait for a full batch; without, it takes what is there."""
    committed: Callable[[int], None] | None = None
    """Told after each commit where it stands on its first input."""
    commits: int = 0
    stamp: bytes = b""
    common: Headers = field(default_factory=list)

    def run(self, handle: Handle, ready: Callable[[], None], stop: Callable[[], bool]) -> float:
        """Seconds from the first read to the last commit."""
        collect_rarely()
        consumer = Consumer(kafka_settings.consumer(self.bootstrap, f"{self.app}.{self.name}"))
        producer = Producer(kafka_settings.transactional(self.bootstrap, f"{self.app}.{self.name}"))
        producer.init_transactions(TIMEOUT_S)
        consumer.assign([TopicPartition(t, 0, 0) for t in self.inputs])
        ready()
        first_input, at_first = next(iter(self.inputs)), 0
        left = {t: end for t, end in self.inputs.items() if end != 0}
        started = time.perf_counter()
        while left and not stop():
            messages = [m for m in self._consume(consumer) if m.error() is None]
            if not messages:
                continue
            producer.begin_transaction()
            self._start_batch()
            positions: dict[str, int] = {}
            for n, m in enumerate(messages):
                handle(self, producer, m, n)
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
        seconds = time.perf_counter() - started
        consumer.close()
        return seconds

    def _consume(self, consumer: Consumer) -> list[Message]:
        if self.full:
            return consumer.consume(self.batch, 0.1)
        first = consumer.consume(1, 0.1)
        return first + consumer.consume(self.batch - 1, 0) if first else first

    def _start_batch(self) -> None:
        self.stamp = f"{self.name}/0/{self.commits}/".encode()
        self.common = [
            ("ce_specversion", b"1.0"),
            ("ce_source", f"/bare/{self.app}/{self.name}".encode()),
            ("ce_time", rfc3339(time.time_ns() // 1000).encode()),
            ("content-type", b"application/json"),
        ]

    def headers(self, ce_id: bytes, ce_type: bytes, traceparent: bytes, n: int) -> Headers:
        """The eight headers that rivergate writes too."""
        return [
            *self.common,
            ("ce_id", ce_id),
            ("ce_type", ce_type),
            ("traceparent", traceparent),
            ("rg_commit", self.stamp + b"%d" % n),
        ]


Handle = Callable[[Loop, Producer, Any, int], None]


def passing() -> Handle:
    """Decode, encode, write."""
    topic = ""

    def handle(loop: Loop, producer: Producer, m: Any, n: int) -> None:
        nonlocal topic
        topic = topic or f"{loop.app}-copies"
        there = dict(m.headers())
        value = orjson.loads(m.value())
        copy = {"line": value["line"], "n": value["n"], "sensors": value["sensors"]}
        headers = loop.headers(b"0-%d-%d" % (loop.commits, n), b"bench.copy", there["traceparent"], n)
        producer.produce(topic, orjson.dumps(copy), value["line"].encode(), headers=headers)

    return handle


def learning(counts: dict[str, int]) -> Handle:
    """The learner by hand: predict, remember, propose for one in ten, learn when the label comes."""
    from river.linear_model import LogisticRegression
    from river.preprocessing import StandardScaler

    model = StandardScaler() | LogisticRegression()
    remembered: dict[str, Any] = {}
    early: dict[str, bool] = {}
    counts["learned"] = 0

    def learn(event_id: str, truth: bool) -> None:
        model.learn_one(remembered.pop(event_id), truth)
        counts["learned"] += 1

    def handle(loop: Loop, producer: Producer, m: Any, n: int) -> None:
        value = orjson.loads(m.value())
        if m.topic().endswith(".labels"):
            if value["event_id"] in remembered:
                learn(value["event_id"], value["value"])
            else:
                early[value["event_id"]] = value["value"]
            return
        there = dict(m.headers())
        event_id = f"{there['ce_source'].decode()}#{there['ce_id'].decode()}"
        trouble = model.predict_proba_one(value["sensors"]).get(True, 0.0)
        remembered[event_id] = value["sensors"]
        if value["n"] % PROPOSING == 0:
            propose(loop, producer, m, n, value, event_id, there["traceparent"], trouble)
        if event_id in early:
            learn(event_id, early.pop(event_id))

    return handle


def asking() -> Handle:
    """First hop: a proposal for every event."""

    def handle(loop: Loop, producer: Producer, m: Any, n: int) -> None:
        there = dict(m.headers())
        event_id = f"{there['ce_source'].decode()}#{there['ce_id'].decode()}"
        propose(loop, producer, m, n, orjson.loads(m.value()), event_id, there["traceparent"], 0.5)

    return handle


def judging() -> Handle:
    """Second hop: an action for every proposal."""

    def handle(loop: Loop, producer: Producer, m: Any, n: int) -> None:
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
        headers = loop.headers(there["ce_id"], b"rivergate.action.v1", there["traceparent"], n)
        producer.produce(f"{loop.app}.actions", orjson.dumps(action), m.key(), 0, headers=headers)

    return handle


def propose(
    loop: Loop, producer: Producer, m: Any, n: int, value: dict[str, Any], event_id: str, trace: bytes, sure: float
) -> None:
    """Write a record of a proposal's shape; its id and digest are mere text."""
    pid = f"{value['n']:032x}"
    proposal = {
        "proposal_id": pid,
        "app": loop.app,
        "agent": loop.name,
        "kind": "inspect",
        "arguments": {"line": value["line"], "n": value["n"]},
        "arguments_digest": "0" * 64,
        "confidence": sure,
        "reasons": [{"text": "one in ten"}],
        "event_id": event_id,
        "ordinal": 0,
        "event": {"topic": m.topic(), "partition": 0, "offset": m.offset()},
        "expires_at": "2030-01-01T00:00:00.000000Z",
    }
    headers = loop.headers(pid.encode(), b"rivergate.proposal.v1", trace, n)
    producer.produce(f"{loop.app}.proposals", orjson.dumps(proposal), m.key(), 0, headers=headers)
