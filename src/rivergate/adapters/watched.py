"""Calls that may hang: run in a thread of their own, which is left behind when one doesn't come back in time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Call = tuple[Callable[[], object], "queue.SimpleQueue[BaseException | None]"]


class WatchedCaller:
    """Runs calls one after the other. One thread uses it; a call that hangs costs that thread and no more.

    The thread is a daemon, so that what hangs in it never keeps the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Call | None] | None = None

    def call(self, function: Callable[[], object], timeout_s: float) -> None:
        """Call it. Raises what it raises, and `TimeoutError` if it hasn't come back after `timeout_s`."""
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(self._calls,), name=self._name, daemon=True).start()
        answer: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._calls.put((function, answer))
        try:
            error = answer.get(timeout=timeout_s)
        except queue.Empty:
            self.close()
            raise TimeoutError from None
        if error is not None:
            raise error

    def close(self) -> None:
        """Let the thread end; it does so at once unless something hangs in it."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _serve(calls: queue.SimpleQueue[Call | None]) -> None:
    while (call := calls.get()) is not None:
        function, answer = call
        try:
            function()
        except BaseException as e:  # noqa: BLE001 - raised again where the call was made
            answer.put(e)
        else:
            answer.put(None)
        del function, call, answer
