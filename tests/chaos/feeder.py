"""Feeds a round: seeded events by key, their late labels, and at the end a closing for each shard."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson
from confluent_kafka import KafkaError, Message, Producer
from tests.chaos.app import PARTITIONS
from tests.chaos.app.truths import features_of, truth_of

from rivergate.domain.cloudevents import event_headers

SOURCE = "/chaos/feeder"
KEYS = 24
WISHES = ("note",) * 3 + ("order", "page", "halt", "dump") + ("",) * 5
LABEL_EVERY = 3
LABEL_LATE = 20
"""The truth about one event in so many comes so many events later; what effects and people learn comes beside it."""
FLUSH_S = 90.0


@dataclass(frozen=True)
class Fed:
    """An event that the broker has confirmed. A broker that was killed between writing and confirming tells nobody where it
    wrote: then there's no offset.
    """

    n: int
    key: str
    partition: int
    offset: int | None


class Feeder(threading.Thread):
    """Writes `events` events at `rate` a second, straight to the broker. `fed` and `failed` may be read once it ended.

    Its producer is idempotent and tries for longer than any strike takes, so what it fed is there exactly once.
    """

    def __init__(self, bootstrap: str, app: str, seed: int, events: int, rate: float) -> None:
        super().__init__(name="feeder", daemon=True)
        self._readings, self._labels = f"{app}-readings", f"{app}.labels"
        self._app = app
        self._draw = Random(f"feeder/{seed}")
        self._events, self._rate = events, rate
        self._stop_asked = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "retry.backoff.ms": 50,
                "message.timeout.ms": int(FLUSH_S * 1000),
                "log_level": 2,
            }
        )
        self.fed: list[Fed] = []
        self.failed: list[str] = []
        self._unlabelled: deque[Fed] = deque()

    def run(self) -> None:
        """Feed all of it."""
        began = time.monotonic()
        for n in range(self._events):
            self._write_event(n)
            wait_s = began + (n + 1) / self._rate - time.monotonic()
            self._producer.poll(0)
            if wait_s > 0 and self._stop_asked.wait(wait_s):
                break
            while self._unlabelled and self._unlabelled[0].n <= n - LABEL_LATE:
                self._write_label(self._unlabelled.popleft())
        self._flush()
        while self._unlabelled:
            self._write_label(self._unlabelled.popleft())
        self._flush()

    def stop(self) -> None:
        """Feed no more."""
        self._stop_asked.set()

    def close_shards(self, mark: int) -> None:
        """Have every shard say what it has learnt. Only once the thread has ended."""
        for partition in range(PARTITIONS):
            value = {"key": f"closing-{partition}", "mark": mark}
            headers = self._headers("chaos.closing", f"closing-{mark}-{partition}")
            self._producer.produce(
                self._readings,
                orjson.dumps(value),
                value["key"],
                partition,
                headers=headers,
                on_delivery=self._only_failures,
            )
        self._flush()

    def _write_event(self, n: int) -> None:
        key = f"key-{self._draw.randrange(KEYS)}"
        value = {"key": key, "n": n, "wish": self._draw.choice(WISHES), "features": features_of(n)}

        def done(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.failed.append(f"event {n}: {error}")
                return
            offset = message.offset()
            fed = Fed(n, key, int(message.partition() or 0), offset if offset is not None and offset >= 0 else None)
            self.fed.append(fed)
            if n % LABEL_EVERY == 0 and fed.offset is not None:
                self._unlabelled.append(fed)

        self._producer.produce(
            self._readings, orjson.dumps(value), key, headers=self._headers("chaos.reading", str(n)), on_delivery=done
        )

    def _write_label(self, fed: Fed) -> None:
        event = {"topic": self._readings, "partition": fed.partition, "offset": fed.offset}
        value = {"event_id": f"{SOURCE}#{fed.n}", "event": event, "value": truth_of(fed.n), "source": "topic"}
        self._producer.produce(
            self._labels,
            orjson.dumps(value),
            fed.key,
            fed.partition,
            headers=self._headers("rivergate.label.v1", f"label-{fed.n}"),
            on_delivery=self._only_failures,
        )

    def _headers(self, ce_type: str, ce_id: str) -> Any:
        return event_headers(SOURCE, ce_type, ce_id, time.time_ns() // 1000)

    def _only_failures(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(f"{message.topic()}: {error}")

    def _flush(self) -> None:
        left = self._producer.flush(FLUSH_S)
        if left:
            self.failed.append(f"{left} records weren't confirmed within {FLUSH_S:.0f} s")
