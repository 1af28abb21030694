"""The world that effects act upon: a folder with one file a deed, and a list of every time that it was asked.

Check and deed are one step of the file system (`link` fails where the name exists), so there is no lock that a stopped
process could hold, and a kill leaves the deed done or not done, never half.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from pathlib import Path

from tests.chaos.app.truths import truth_of

from rivergate.domain.clock import Micros
from rivergate.effects.effector import Action, Delivery, Outcome

DEEDS = "deeds"
ASKED = "asked.jsonl"


class Target:
    """Idempotent: a deed whose key is there already isn't done again. Any thread."""

    delivery = Delivery.IDEMPOTENT

    def __init__(self, folder: Path) -> None:
        self._deeds = folder / DEEDS
        self._asked = folder / ASKED
        self._deeds.mkdir(parents=True, exist_ok=True)

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Do it once; the time of the ledger is that of the request."""
        del not_after
        entry = {
            "proposal_id": action.key,
            "kind": action.kind,
            "arguments": dict(action.arguments),
            "event_id": action.event_id,
            "at_ms": time.time_ns() // 1_000_000,
            "process": os.getpid(),
        }
        line = json.dumps(entry).encode() + b"\n"
        descriptor = os.open(self._asked, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        aside = self._deeds / f".{uuid.uuid4().hex}"
        aside.write_bytes(line)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self._deeds / action.key)
        finally:
            aside.unlink()
        return Outcome("done", "in the ledger", label=truth_of(int(action.arguments["n"])))

    def reconcile(self, action: Action) -> Outcome | None:
        """Whether the deed is in the ledger."""
        return Outcome("done", "in the ledger") if (self._deeds / action.key).exists() else None

    def close(self) -> None:
        """Nothing is held between calls."""


def make(data_dir: Path) -> Target:
    """The effector of an app's data directory."""
    return Target(data_dir / "target")
