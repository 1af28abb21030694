"""Deeds in flight: a bounded pool of threads, in order for each key, results taken by the shard's thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rivergate.kernel.work import Deed


class Deeds:
    """Runs deeds. `start` and `take` belong to the shard's thread; `close` waits for what is in flight."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-deed")
        self._results: queue.SimpleQueue[tuple[Deed, Any]] = queue.SimpleQueue()
        self._waiting: dict[bytes, deque[Deed]] = {}
        self._lock = threading.Lock()
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Deeds started whose results haven't been taken."""
        return self._in_flight

    def start(self, deed: Deed) -> None:
        """Do it once those before it under the same key are done."""
        self._in_flight += 1
        with self._lock:
            behind = self._waiting.get(deed.order_key)
            if behind is not None:
                behind.append(deed)
                return
            self._waiting[deed.order_key] = deque()
        self._pool.submit(self._run, deed)

    def take(self, wait_s: float) -> list[tuple[Deed, Any]]:
        """Results that have come; waits up to `wait_s` for a first one if anything is in flight."""
        found: list[tuple[Deed, Any]] = []
        if not self._in_flight:
            return found
        try:
            found.append(self._results.get(timeout=wait_s) if wait_s > 0 else self._results.get_nowait())
            while True:
                found.append(self._results.get_nowait())
        except queue.Empty:
            self._in_flight -= len(found)
            return found

    def close(self) -> None:
        """Wait for what is in flight; what hasn't begun is dropped: it is open, and the next owner finds it."""
        with self._lock:
            for behind in self._waiting.values():
                behind.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, deed: Deed) -> None:
        self._results.put((deed, deed.do()))
        with self._lock:
            behind = self._waiting[deed.order_key]
            if not behind:
                del self._waiting[deed.order_key]
                return
            following = behind.popleft()
        self._pool.submit(self._run, following)
