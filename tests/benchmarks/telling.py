"""How a measured process talks to the one that started it. Standard library alone: peers have environments of their own."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from typing import Any


def job() -> dict[str, Any]:
    """What is to be run; the process is pinned as it says. Standard output is the parent's from now on: what libraries
    print goes to standard error.
    """
    sys.__stdout__ = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told: dict[str, Any] = json.loads(sys.argv[1])
    if told["core"] is not None:
        os.sched_setaffinity(0, {told["core"]})
    return told


def tell(value: dict[str, Any]) -> None:
    """One line to the parent."""
    print(json.dumps(value), file=sys.__stdout__, flush=True)


def stop_with_stdin() -> threading.Event:
    """Set when the parent closes our standard input."""
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    return stop


def collect_rarely(thresholds: tuple[int, int, int]) -> None:
    """Python's garbage collector as rivergate's workers set it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)


class Clock:
    """Seconds on the wall and of the processor since `start`."""

    def start(self) -> None:
        """Begin, or begin anew."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def figures(self) -> dict[str, float]:
        """What has passed."""
        return {"seconds": time.perf_counter() - self._wall, "loop_cpu_s": time.process_time() - self._cpu}
