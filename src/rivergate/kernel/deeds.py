"""Deeds in flight: a bounded pool of threads, in order for each key, results taken by the shard's thread."""

from __future__ import annotations

import queue
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rivergate.kernel.work import Deed


@dataclass(frozen=True, slots=True)
class Raised:
    """A deed raised, which it must not: the result that stands for it."""

    error: BaseException


class Deeds:
    """Runs deeds. All methods belong to the shard's thread; `close` waits for what is in flight."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-deed")
        self._results: queue.SimpleQueue[tuple[Deed, Any]] = queue.SimpleQueue()
        self._lines: dict[bytes, deque[Deed]] = {}
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Deeds whose results haven't been taken, without those that wait behind another's record."""
        return self._in_flight

    def start(self, deed: Deed) -> None:
        """Do it once the records before it under the same key are finished; another attempt keeps its place."""
        if deed.order_key is None:
            self._submit(deed)
            return
        line = self._lines.setdefault(deed.order_key, deque())
        if line and line[0].position == deed.position:
            line[0] = deed
        else:
            line.append(deed)
            if len(line) > 1:
                return
        self._submit(deed)

    def release(self, deed: Deed) -> None:
        """The deed's record is finished: the next under its key begins."""
        if deed.order_key is None:
            return
        line = self._lines[deed.order_key]
        line.popleft()
        if line:
            self._submit(line[0])
        else:
            del self._lines[deed.order_key]

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
        """Wait for what is in flight and drop what hasn't begun; `take` still gives what came of the former."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._lines.clear()

    def _submit(self, deed: Deed) -> None:
        self._in_flight += 1
        self._pool.submit(self._run, deed)

    def _run(self, deed: Deed) -> None:
        try:
            self._results.put((deed, deed.do()))
        except BaseException as e:  # noqa: BLE001 - handed to the shard's thread, which raises it: each has a result
            self._results.put((deed, Raised(e)))
