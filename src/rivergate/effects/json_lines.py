"""An effector that appends to a JSON-lines file: idempotent under lock and key."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson

from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.errors import RivergateError
from rivergate.effects.effector import Action, Delivery, Outcome
from rivergate.ports import Clock


class JsonLines:
    """Appends each action once, whoever else appends to the same file at the same time.

    Check and write happen under an exclusive lock of the file, and the line is on disk before `perform` returns.
    A line that a crash tore is cut off: it was never reported as done. One line: `{proposal_id, kind, arguments,
    event_id, at}`.
    """

    delivery = Delivery.IDEMPOTENT

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()  # flock is held by the process, not by a thread
        self._written: set[str] = set()
        self._read_up_to = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Append the action, unless it is there already."""
        del not_after  # doing it late or again is harmless
        with self._lock, self._locked() as f:
            self._catch_up(f)
            if action.key in self._written:
                return Outcome("done", "was written already")
            line = {
                "proposal_id": action.key,
                "kind": action.kind,
                "arguments": action.arguments,
                "event_id": action.event_id,
                "at": rfc3339(self._clock()),
            }
            f.write(orjson.dumps(line) + b"\n")
            f.flush()
            os.fsync(f.fileno())
            self._written.add(action.key)
            self._read_up_to = f.tell()
        return Outcome("done", f"written to {self._path.name}")

    def reconcile(self, action: Action) -> Outcome | None:
        """Whether the action's line is there."""
        with self._lock, self._locked() as f:
            self._catch_up(f)
        return Outcome("done", "was written already") if action.key in self._written else None

    def close(self) -> None:
        """Nothing is held between calls."""

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        try:
            if not self._path.exists():
                self._create()
            f = self._path.open("r+b")
        except OSError as e:
            raise RivergateError(f"can't be opened: {e.strerror}", where=str(self._path)) from e
        with f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield f

    def _create(self) -> None:
        """Make the file, so that its name survives a power cut too; whoever else makes it meanwhile is fine."""
        self._path.touch()
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _catch_up(self, f: IO[bytes]) -> None:
        """Learn the keys that others have written, cut a torn last line off, and stand at the end."""
        size = f.seek(0, os.SEEK_END)
        if size < self._read_up_to:
            self._written.clear()
            self._read_up_to = 0
        f.seek(self._read_up_to)
        whole = self._read_up_to
        for line in f.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                self._written.add(orjson.loads(line)["proposal_id"])
            except (ValueError, KeyError, TypeError) as e:
                raise RivergateError(
                    f"line {line[:60]!r} isn't one of ours",
                    where=str(self._path),
                    remedy="move the file away or mend it",
                ) from e
        f.truncate(whole)
        f.seek(whole)
        self._read_up_to = whole
