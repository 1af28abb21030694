"""Deeds in flight: bounded pools of threads, in order for each key, results taken by the shard's thread."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rivergate.domain.record import Position
from rivergate.kernel.work import Deed


@dataclass(frozen=True, slots=True)
class Raised:
    """A deed raised, which it must not: the result that stands for it."""

    error: BaseException


class Deeds:
    """Runs deeds. All methods belong to the shard's thread; `close` waits for what is in flight.

    Those in turn have as many threads of their own, so that neither they nor the others hold each other up. `monotonic` is
    in seconds.
    """

    def __init__(self, name: str, threads: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._threads = threads
        self._monotonic = monotonic
        self._pools = {
            in_turn: ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-deed") for in_turn in (False, True)
        }
        self._results: queue.SimpleQueue[tuple[Deed, Any]] = queue.SimpleQueue()
        self._lines: dict[bytes, deque[Deed]] = {}
        self._turns: dict[Position, Deed] = {}
        self._later: dict[Position, tuple[float, Deed]] = {}
        self._in_flight = {False: 0, True: 0}
        self._under_way: dict[Position, Future[None]] = {}
        self._begun: dict[Position, float] = {}  # deeds' own threads write it

    @property
    def in_flight(self) -> int:
        """Deeds whose results haven't been taken, without those that wait: for their turn, their time, or behind another's
        record.
        """
        return sum(self._in_flight.values())

    def start(self, deed: Deed) -> None:
        """Do it, or have it wait for its turn, once the records before it under the same key are finished; another attempt
        keeps its place.
        """
        if deed.order_key is not None:
            line = self._lines.setdefault(deed.order_key, deque())
            if line and line[0].position == deed.position:
                line[0] = deed
            else:
                line.append(deed)
                if len(line) > 1:
                    return
        self._go(deed)

    def turns(self) -> Sequence[Deed]:
        """Whose turn it is: for each of them a thread is free. They wait on until they are started with their intents."""
        return list(islice(self._turns.values(), max(0, self._threads - self._in_flight[True])))

    def release(self, deed: Deed) -> None:
        """The deed's record is finished: the next under its key begins."""
        self._turns.pop(deed.position, None)
        if deed.order_key is None:
            return
        line = self._lines[deed.order_key]
        line.popleft()
        if line:
            self._go(line[0])
        else:
            del self._lines[deed.order_key]

    def take(self, wait_s: float) -> list[tuple[Deed, Any]]:
        """Results that have come; waits up to `wait_s` for a first one if anything is in flight."""
        due = self._due()
        if not self.in_flight:
            return due
        found: list[tuple[Deed, Any]] = []
        try:
            found.append(self._results.get(timeout=wait_s) if wait_s > 0 and not due else self._results.get_nowait())
            while True:
                found.append(self._results.get_nowait())
        except queue.Empty:
            for deed, _ in found:
                self._in_flight[deed.in_turn] -= 1
                del self._under_way[deed.position]
                del self._begun[deed.position]
            return due + found

    def _due(self) -> list[tuple[Deed, Any]]:
        now = self._monotonic()
        due: list[tuple[Deed, Any]] = [(deed, None) for at, deed in self._later.values() if at <= now]
        for deed, _ in due:
            del self._later[deed.position]
        return due

    def oldest(self) -> tuple[Position, float] | None:
        """What has been acting for longest, and for how many seconds."""
        if not self.in_flight:
            return None
        position, begun = min(list(self._begun.items()), key=lambda item: item[1], default=(None, 0.0))
        return None if position is None else (position, self._monotonic() - begun)

    def stop(self) -> None:
        """Begin nothing more. `take` still gives what comes of what has begun."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._lines.clear()
        self._turns.clear()
        self._later.clear()

    @property
    def have_ended(self) -> bool:
        """After `stop`: whether all that had begun has come back."""
        return all(future.done() for future in self._under_way.values())

    def close(self) -> None:
        """Stop, and wait for what is in flight."""
        self.stop()
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def _go(self, deed: Deed) -> None:
        self._later.pop(deed.position, None)
        if deed.after_s > 0:
            self._later[deed.position] = (self._monotonic() + deed.after_s, deed)
            return
        if deed.intend is not None:
            self._turns[deed.position] = deed
            return
        self._turns.pop(deed.position, None)
        self._in_flight[deed.in_turn] += 1
        self._under_way[deed.position] = self._pools[deed.in_turn].submit(self._run, deed)

    def _run(self, deed: Deed) -> None:
        self._begun[deed.position] = self._monotonic()
        try:
            assert deed.do is not None  # noqa: S101 - who has no intent waits for its turn
            self._results.put((deed, deed.do()))
        except BaseException as e:  # noqa: BLE001 - handed to the shard's thread, which raises it: each has a result
            self._results.put((deed, Raised(e)))
