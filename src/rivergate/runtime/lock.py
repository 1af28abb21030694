"""The lock on a data directory: one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from rivergate.domain.errors import AlreadyRunning
from rivergate.runtime.usable import usable


def data_lock(path: Path) -> int:
    """Descriptor of the lock that one supervisor of a data directory holds. Raises `AlreadyRunning`, `ConfigError`."""
    descriptor = _locked(path)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def demand_unlocked(path: Path) -> None:
    """See that nobody holds it, before anything of theirs is touched. Raises `AlreadyRunning`, `ConfigError`."""
    os.close(_locked(path))


def _locked(path: Path) -> int:
    with usable(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        holder = path.read_text().strip() or "another process"
        os.close(descriptor)
        raise AlreadyRunning(
            f"an app runs on this data directory already (process {holder})",
            where=str(path.parent),
            remedy="stop it first, or choose another --data-dir and --app",
        ) from e
    return descriptor
