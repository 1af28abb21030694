"""Follows an app's topics with a `read_committed` consumer of its own and keeps a tally of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import translated
from rivergate.demos.shuttle.tally import Tally
from rivergate.domain.errors import RivergateError

METADATA_S = 15.0


class Observer:
    """Reads what is new whenever it is asked to. One thread."""

    def __init__(self, bootstrap: str, app: str) -> None:
        self._bootstrap = bootstrap
        self.tally = Tally(app)
        self._consumer = Consumer(
            kafka_settings.consumer(bootstrap, f"{app}.demo-observer") | {"auto.offset.reset": "earliest"}
        )
        try:
            there = self._consumer.list_topics(timeout=METADATA_S).topics
        except KafkaException as e:
            raise translated(e, "looking at the app's topics", bootstrap) from e
        self._consumer.assign(
            [TopicPartition(t, p, OFFSET_BEGINNING) for t in self.tally.topics() for p in there[t].partitions]
        )

    def read(self, wait_s: float = 0.1) -> int:
        """Take what has come; returns how many records that were."""
        taken = 0
        messages = self._consumer.consume(1, wait_s)
        while messages:
            for m in messages:
                error = m.error()
                if error is None:
                    headers = {k: v for k, v in m.headers() or () if isinstance(v, bytes)}
                    self.tally.take(m.topic() or "", m.partition() or 0, m.offset() or 0, m.value() or b"", headers)
                    taken += 1
                elif error.code() not in (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):  # noqa: SLF001 - its codes' names
                    raise translated(KafkaException(error), "counting", self._bootstrap)
            messages = self._consumer.consume(5000, 0)
        return taken

    def wait_for(self, done: Callable[[Tally], bool], timeout_s: float, check: Callable[[], None]) -> None:
        """Read until `done`; `check` may raise what makes waiting pointless. Raises `RivergateError` after the timeout."""
        deadline = time.monotonic() + timeout_s
        while True:
            quiet = self.read() == 0
            if quiet and done(self.tally):
                return
            check()
            if time.monotonic() > deadline:
                raise RivergateError(
                    f"not at rest after {timeout_s:.0f} s: {self.tally.figures()}",
                    remedy="see `rivergate shards list` and the log files in the data directory",
                )

    def close(self) -> None:
        """Release the connections."""
        self._consumer.close()
