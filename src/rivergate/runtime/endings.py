"""Why a process of ours ended: written by itself, taken by whoever started it, so that a user reads the reason."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from rivergate.domain import errors
from rivergate.domain.errors import AlreadyRunning, ConfigError, RivergateError, ShardParked
from rivergate.runtime.paths import DataDir


def leave_ending(data: DataDir, incarnation: str, error: RivergateError) -> None:
    """Write down what ended this incarnation. Never raises: the log file has the reason too."""
    path = _path(data, incarnation)
    value = {
        "kind": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "remedy": error.remedy,
        "final": isinstance(error, ConfigError | AlreadyRunning | ShardParked),
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(value))
        aside.replace(path)


def take_ending(data: DataDir, incarnation: str) -> tuple[RivergateError, bool] | None:
    """The error that ended it, and whether it is final: a start of the same again ends the same way. Once each."""
    path = _path(data, incarnation)
    try:
        value = json.loads(path.read_text())
        path.unlink(missing_ok=True)
        kind = getattr(errors, str(value["kind"]), ConfigError if value["final"] else RivergateError)
        return kind(value["what"], where=value["where"], remedy=value["remedy"]), bool(value["final"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(data: DataDir, incarnation: str) -> Path:
    return data.root / "endings" / f"{incarnation}.json"
