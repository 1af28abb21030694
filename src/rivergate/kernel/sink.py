"""Sink (log → database): follows topics as committed data and keeps its place in the database itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from rivergate.domain.errors import RivergateError
from rivergate.domain.record import TopicPartition
from rivergate.ports import Sink, Tail

_LOG = logging.getLogger("rivergate.kernel")

BATCH = 2000
WAIT_S = 0.2
RETRY_S = 1.0
REST_S = 1.0
QUIET_POLLS = 3


class SinkDriver:
    """Feeds one sink. `run` belongs to one thread; `caught_up` and `lag` may be asked from any other.

    A failure of the broker or the database is tried again for ever, from the position that the database has:
    records are neither lost nor stored twice. `stop` ends `run` within about a second.
    """

    def __init__(
        self, tail: Tail, sink: Sink, topics: Sequence[str], *, on_batch: Callable[[int], None] | None = None
    ) -> None:
        self._tail = tail
        self._sink = sink
        self._topics = topics
        self._on_batch = on_batch
        self._at: dict[TopicPartition, int] = {}
        self._caught_up = threading.Event()
        self._quiet = 0

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been stored."""
        return self._caught_up.is_set()

    def wait_until_caught_up(self, timeout_s: float) -> bool:
        """Wait for `caught_up`; False if it didn't come in time."""
        return self._caught_up.wait(timeout_s)

    def run(self, stop: threading.Event) -> None:
        """Store until `stop` is set."""
        nothing_is_missing = False
        try:
            while not stop.is_set():
                try:
                    self._follow(stop)
                    nothing_is_missing = True
                except RivergateError as e:
                    if not e.retryable:
                        raise
                    _LOG.warning("sink waits and tries again: %s", e)
                    stop.wait(RETRY_S)
            if nothing_is_missing:  # what came after a batch that failed would be stored in its place
                self._take_the_rest()
        finally:
            self._tail.close()

    def _follow(self, stop: threading.Event) -> None:
        goal = self._start()
        while not stop.is_set():
            self._store_one_batch()
            if not self._caught_up.is_set() and all(self._at.get(tp, 0) >= at for tp, at in goal.items()):
                self._caught_up.set()

    def _take_the_rest(self) -> None:
        """Store what is there already, within the time that stopping may take; the next start gets what is left."""
        deadline = time.monotonic() + REST_S
        try:
            while time.monotonic() < deadline and self._store_one_batch():
                pass
        except RivergateError as e:
            _LOG.warning("sink stopped before the end of the log: %s", e)

    def _start(self) -> dict[TopicPartition, int]:
        stored = self._sink.positions()
        goal = {}
        for topic in self._topics:
            for tp in self._tail.partitions(topic):
                low, high = self._tail.watermarks(tp)
                self._at[tp] = max(low, stored.get(tp, low))
                goal[tp] = high
        self._tail.seek(self._at)
        return {tp: at for tp, at in goal.items() if at > self._at[tp]}

    def _store_one_batch(self) -> bool:
        """Store what comes; False where nothing came."""
        records = self._tail.poll(BATCH, WAIT_S)
        if not records:
            self._reached_end()
            return False
        self._quiet = 0
        self._sink.write(records)
        for r in records:
            self._at[r.topic, r.partition] = r.offset + 1
        if self._on_batch is not None:
            self._on_batch(len(records))
        return True

    def _reached_end(self) -> None:
        """Nothing came, several times: what lies between our place and the end are transaction markers.

        Once could be a slow broker, and a view that says too early that it is whole would be believed.
        """
        self._quiet += 1
        if self._quiet >= QUIET_POLLS:
            self._caught_up.set()
