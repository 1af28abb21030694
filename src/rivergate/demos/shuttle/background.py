"""A part of the demo in a thread of its own, whose failure the main thread gets to see."""

from __future__ import annotations

import threading
from collections.abc import Callable

JOIN_S = 2.0


class Background:
    """Runs `work(stop)` in a thread until it returns or is stopped."""

    def __init__(self, name: str, work: Callable[[threading.Event], None]) -> None:
        self._work = work
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Background:
        """Begin."""
        self._thread.start()
        return self

    @property
    def done(self) -> bool:
        """Whether the work has returned. Raises what made it fail."""
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Ask it to stop."""
        self._stop.set()

    def stop(self) -> None:
        """Ask it to stop and wait for it."""
        self.ask_to_stop()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            self._work(self._stop)
        except Exception as e:  # noqa: BLE001 - it is raised where `done` is asked
            self._error = e
