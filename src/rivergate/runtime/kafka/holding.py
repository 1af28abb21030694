"""Who holds a directory: an advisory lock on a file, which says who they are.

The lock belongs to the open file and not to a process, so a child that inherits the descriptor keeps it, and it ends
with the last of them, however they end. A crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Holder:
    """What a holder says of itself: its process, the process that answers for it, and the port, if it has one."""

    pid: int
    owner: int
    port: int | None = None


def process_runs(pid: int) -> bool:
    """Whether a process of this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Holding:
    """A lock that is held. Not thread-safe; `release` may be called twice."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def tell(self, holder: Holder) -> None:
        """Write who holds the lock, for those who come later."""
        content = json.dumps(asdict(holder)).encode()
        os.pwrite(self.descriptor, content, 0)
        os.ftruncate(self.descriptor, len(content))

    def release(self) -> None:
        """Close our descriptor; the lock stays as long as a child has it open."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder_of(path: Path) -> Holder | None:
    """Who wrote last that they hold `path`; None where nothing readable stands there."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def hold(
    path: Path,
    *,
    patience: Callable[[Holder | None, float], bool],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Holding | None:
    """Take the lock at `path`.

    While another holds it, `patience` is asked with its holder and the seconds waited so far; when it says False, the
    answer is None.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    began = monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not patience(holder_of(path), monotonic() - began):
                os.close(descriptor)
                return None
            sleep(0.1)
        else:
            holding = Holding(path, descriptor)
            holding.tell(Holder(pid=os.getpid(), owner=os.getpid()))
            return holding
