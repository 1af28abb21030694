"""Sink (log → database): follows topics as committed data and keeps its place in the database itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from rivergate.domain.errors import RivergateError
from rivergate.domain.record import TopicPartition
from rivergate.ports import Sink, Tail

_LOG = logging.getLogger("rivergate.kernel")

BATCH = 2000
WAIT_S = 0.2
RETRY_S = 1.0
REST_S = 1.0
PATIENCE_S = 15.0
"""How long a sink may come no nearer to what was there at its start before it says so and counts as caught up."""

QUIET_S = 10.0
"""How long nothing may come before the broker is asked whether it is there."""


class SinkDriver:
    """Feeds one sink. `run` belongs to one thread; `caught_up` and `lag` may be asked from any other.

    A failure of the broker or the database is tried again for ever, from the position that the database has:
    records are neither lost nor stored twice. `on_trouble` is told what the matter is, and nothing ("") once it is over: a
    failed write only when something has been written again, or nothing is left to write. `stop` ends `run` within about
    a second.
    """

    def __init__(
        self,
        tail: Tail,
        sink: Sink,
        topics: Sequence[str],
        *,
        on_batch: Callable[[int], None] | None = None,
        on_trouble: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tail = tail
        self._sink = sink
        self._topics = topics
        self._on_batch = on_batch
        self._on_trouble = on_trouble
        self._in_trouble = False
        self._unwritten = False
        self._monotonic = monotonic
        self._at: dict[TopicPartition, int] = {}
        self._caught_up = threading.Event()

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been stored, as far as it can be read."""
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
                    self._in_trouble = True
                    self._on_trouble(e.what)
                    stop.wait(RETRY_S)
            if nothing_is_missing:  # what came after a batch that failed would be stored in its place
                self._take_the_rest()
        finally:
            self._tail.close()

    def _follow(self, stop: threading.Event) -> None:
        goal = self._start()
        standing, since = self._short_of(goal), self._monotonic()
        heard = since
        while not stop.is_set():
            if self._in_trouble and not (self._unwritten and self._short_of(goal)):
                self._end_trouble()
            if self._store_one_batch():
                heard = self._monotonic()
            elif self._monotonic() - heard >= QUIET_S:
                self._ask_the_broker()
                heard = self._monotonic()
            if self._caught_up.is_set():
                continue
            before, standing = standing, self._short_of(goal)
            if standing != before:
                since = self._monotonic()
            if standing and self._monotonic() - since >= PATIENCE_S:
                self._wait_no_longer(standing, goal)
                standing = {}
            if not standing:
                self._caught_up.set()

    def _end_trouble(self) -> None:
        self._in_trouble = self._unwritten = False
        self._on_trouble("")

    def _ask_the_broker(self) -> None:
        """Raises what the matter is where it doesn't answer: a broker that is away and one without news are both silent."""
        tp = next(iter(self._at), None)
        if tp is not None:
            self._tail.watermarks(tp)

    def _short_of(self, goal: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Where those partitions stand that haven't come to their goal; at an end that was reached, behind its markers.

        That nothing comes says nothing: the broker may be slow, and a view that says too early that it is whole would be
        believed.
        """
        passed = self._tail.passed()
        reached = {tp: max(self._at.get(tp, 0), passed.get(tp, 0)) for tp in goal}
        return {tp: at for tp, at in reached.items() if at < goal[tp]}

    def _wait_no_longer(self, standing: Mapping[TopicPartition, int], goal: Mapping[TopicPartition, int]) -> None:
        """Say what is missing, unless it is the broker: that is waited for, and asking it raises what the matter is."""
        for tp in standing:
            self._tail.watermarks(tp)
        missing = ", ".join(f"{t}/{p} from {at} to {goal[t, p]}" for (t, p), at in standing.items())
        _LOG.warning(
            "sink has caught up but for %s: nothing came of it for %.0f s. It is stored when it comes; a transaction that "
            "nobody ends would hold it back, and `rivergate doctor --bootstrap` finds those",
            missing,
            PATIENCE_S,
        )

    def _take_the_rest(self) -> None:
        """Store what is there already, within the time that stopping may take; the next start gets what is left."""
        deadline = self._monotonic() + REST_S
        try:
            while self._monotonic() < deadline and self._store_one_batch():
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
            return False
        self._unwritten = True
        self._sink.write(records)
        self._unwritten = False
        for r in records:
            self._at[r.topic, r.partition] = r.offset + 1
        if self._on_batch is not None:
            self._on_batch(len(records))
        return True
