"""Starts the measured processes, each pinned alike, and reads what they say."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
START_S = 60.0
RUN_S = 120.0


def measured_core() -> int | None:
    """The core that the measured process is kept on, if there are two and the system can pin; others may be anywhere."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[0] if len(cores) > 1 else None


class Stage:
    """A process of `tests.benchmarks.stage`, or a peer's `command`. `with` starts it, waits until it is ready, and ends it.

    It works in a folder of its own, which goes with it: the peers leave files there.

    `heard` is called after each of its commits, in a thread of its own, with where it stands on its first input.
    """

    def __init__(
        self,
        job: dict[str, Any],
        heard: Callable[[int], None] | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-m", "tests.benchmarks.stage"),
    ) -> None:
        self._job = job | {"told": heard is not None}
        self._heard = heard
        self._command = command
        self._lines: queue.Queue[str] = queue.Queue()
        self._process: subprocess.Popen[str]
        self._folder = tempfile.TemporaryDirectory(prefix="rivergate-bench-")

    def __enter__(self) -> Self:
        environment = os.environ | {
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        }
        self._process = subprocess.Popen(
            [*self._command, json.dumps(self._job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self._folder.name,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._line(START_S)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(START_S)
        finally:
            self._kill()

    def result(self) -> dict[str, Any]:
        """What it measured, once it has come to its inputs' end."""
        return self._line(RUN_S)

    def finish(self) -> dict[str, Any]:
        """Tell a process without an end to stop; what it measured."""
        if self._process.stdin:
            self._process.stdin.close()
        return self._line(START_S)

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _read(self) -> None:
        if self._process.stdout:
            for line in self._process.stdout:
                if self._heard is not None and line.startswith('{"at"'):
                    self._heard(json.loads(line)["at"])
                else:
                    self._lines.put(line)
        self._lines.put("")

    def _line(self, timeout_s: float) -> dict[str, Any]:
        line = self._lines.get(timeout=timeout_s)
        if not line:
            raise RuntimeError(f"the process of {self._job['stage']} ended early; its error stands above")
        found: dict[str, Any] = json.loads(line)
        return found
