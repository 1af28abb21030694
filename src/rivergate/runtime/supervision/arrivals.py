"""That a worker has imported everything and could take shards over: told by itself, asked by whoever started it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rivergate.runtime.paths import DataDir


def tell_arrival(data: DataDir, incarnation: str) -> None:
    """Say that this incarnation is ready for shards.."""
    path = _path(data, incarnation)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch()


def has_arrived(data: DataDir, incarnation: str) -> bool:
    """Whether it has said so."""
    return _path(data, incarnation).exists()


def forget_arrivals(data: DataDir) -> None:
    """What was said of processes that run no more."""
    with contextlib.suppress(OSError):
        for path in _path(data, "x").parent.iterdir():
            path.unlink(missing_ok=True)


def _path(data: DataDir, incarnation: str) -> Path:
    return data.root / "arrivals" / incarnation
