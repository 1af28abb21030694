"""Concurrent readers: what somebody sees who reads committed records while all of it happens."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from tests.checker.line import Line, Partition
from tests.checker.reading import line_of

CATCH_UP_S = 20.0

Glimpse = tuple[int, bytes]
"""Offset and fingerprint of a record."""


def fingerprint(line: Line) -> bytes:
    """Eight bytes that differ where anything of two records differs."""
    said = hashlib.sha256()
    for part in (line.key, line.value, *(x for k, v in sorted(line.headers.items()) for x in (k.encode(), v))):
        said.update(b"%d:" % len(part) + part)
    return said.digest()[:8]


class Reader(threading.Thread):
    """Follows topics from their beginning. `saw` is complete once `catch_up` has returned True.

    `take` gets every record as it is read, in the reader's thread.
    """

    def __init__(
        self,
        bootstrap: str,
        partitions: Sequence[Partition],
        name: str,
        take: Callable[[Line], None] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._settings = {
            "bootstrap.servers": bootstrap,
            "group.id": f"chaos-{name}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 5,
            "reconnect.backoff.max.ms": 500,
            "log_level": 2,
            **(settings or {}),
        }
        self._partitions = partitions
        self._take = take
        self._stop_asked = threading.Event()
        self.saw: dict[Partition, list[Glimpse]] = defaultdict(list)
        self.failed = ""

    def run(self) -> None:
        """Read until stopped. Whatever goes wrong ends it and is kept in `failed`."""
        try:
            consumer = Consumer(self._settings)
            consumer.assign([TopicPartition(t, p, 0) for t, p in self._partitions])
            while not self._stop_asked.is_set():
                for message in consumer.consume(500, 0.1):
                    self._add(message)
            consumer.close()
        except Exception as e:  # noqa: BLE001 - the round reports it
            self.failed = repr(e)

    def _add(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN} or error.retriable():
                return
            raise RuntimeError(str(error))
        line = line_of(message)
        self.saw[line.topic, line.partition].append((line.offset, fingerprint(line)))
        if self._take is not None:
            self._take(line)

    def catch_up(self, ends: Mapping[Partition, int], timeout_s: float = CATCH_UP_S) -> bool:
        """Wait until it has read the records at these offsets; False where it never does."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self.failed:
            if all(self.saw[p] and self.saw[p][-1][0] >= at for p, at in ends.items()):
                return True
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        """Read no more; returns when the thread has ended."""
        self._stop_asked.set()
        self.join(10.0)
