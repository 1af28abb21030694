"""`rivergate` as people start it: a process of its own, its output in files, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil

PROGRAM = [sys.executable, "-c", "from rivergate.cli import main; main()"]


class Command:
    """A running `rivergate …`, which leads a process group, as a shell's foreground job does."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.arguments = arguments
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        self._seen: set[psutil.Process] = set()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text()

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int:
        """Its exit code; fails the test where it doesn't end in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.arguments} still runs after {timeout_s:.0f} s: {self.err[-2000:]}") from None

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the process group. What it has started until now is remembered."""
        self.remember()
        os.killpg(self._process.pid, signal.SIGINT)

    def remember(self) -> set[psutil.Process]:
        """All processes below it, seen now or before."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen |= set(psutil.Process(self._process.pid).children(recursive=True))
        return self._seen

    def left(self) -> list[str]:
        """Command lines of processes that it started, or that live in a session that one of these leads."""
        sessions = {p.pid for p in self._seen} | {self._process.pid}
        found = {p for p in self._seen if p.is_running()}
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) in sessions and process.pid != self._process.pid:
                    found.add(process)
        return sorted(line for p in found if (line := _line_of(p)))

    def end(self) -> None:
        """Kill it and all that it left, however the test ended."""
        self.remember()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10.0)
        for process in self._seen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()
        self._process.wait()


class Start(Protocol):
    """Starts a command that ends with the test."""

    def __call__(self, *arguments: str) -> Command:
        """Start `rivergate` with these arguments."""


def until(holds: Callable[[], bool], timeout_s: float, command: Command) -> None:
    """Wait until it holds. Fails where it doesn't in time, or where the command ends before."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert command.alive(), f"{command.arguments} ended: {command.err[-2000:]}"
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {command.err[-2000:]}"
        time.sleep(0.05)


def process_of(data_dir: Path, slot: str) -> int | None:
    """Process id of a slot as the supervisor tells it; None while it runs nowhere."""
    state = state_of(data_dir)
    pids = [p["pid"] for p in state.get("processes", ()) if p["slot"] == slot and p["alive"] and p["pid"]]
    return pids[0] if pids else None


def state_of(data_dir: Path) -> dict[str, Any]:
    """What the supervisor last wrote about itself; nothing where nothing runs."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "running.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def orders_in(data_dir: Path) -> list[str]:
    """Proposal ids in the file of work orders, whole lines alone."""
    try:
        text = (data_dir / "work-orders.jsonl").read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line)["proposal_id"] for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _line_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    return ""
