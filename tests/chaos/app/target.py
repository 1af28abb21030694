"""The world that effects act upon: a folder with one file for each deed, and a list of every time that it was asked.

A file appears in one step of the file system (`link`), so there is no lock that a stopped process could hold, and a kill
leaves the deed done or not done, never half.
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

TARGET = "target"
DEEDS = "deeds"
ASKED = "asked.jsonl"


class Ledger:
    """The folder. Any thread, any process."""

    def __init__(self, folder: Path) -> None:
        self._deeds = folder / DEEDS
        self._asked = folder / ASKED

    def make(self) -> None:
        """Have the folder there."""
        self._deeds.mkdir(parents=True, exist_ok=True)

    def ask(self, action: Action) -> bytes:
        """Write down that somebody asks for a deed; the entry, whose time is that of the request."""
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
        return line

    def write(self, name: str, line: bytes) -> None:
        """Do the deed of this name, unless it is done already."""
        aside = self._deeds / f".{uuid.uuid4().hex}"
        aside.write_bytes(line)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self._deeds / name)
        finally:
            aside.unlink()

    def holds(self, key: str) -> bool:
        """Whether it was done, once or more often."""
        return any(True for _ in self._deeds.glob(f"{key}*"))


class Target:
    """Idempotent: a deed whose key is there already isn't done again. Any thread."""

    delivery = Delivery.IDEMPOTENT

    def __init__(self, folder: Path) -> None:
        self._ledger = Ledger(folder)
        self._ledger.make()

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Do it once."""
        del not_after
        self._ledger.write(action.key, self._ledger.ask(action))
        return self._done(action)

    def reconcile(self, action: Action) -> Outcome | None:
        """Whether the deed is in the ledger."""
        return self._done(action) if self._ledger.holds(action.key) else None

    def close(self) -> None:
        """Nothing is held between calls."""

    @staticmethod
    def _done(action: Action) -> Outcome:
        return Outcome("done", "in the ledger", label=truth_of(int(action.arguments["n"])))


class Forgetful(Target):
    """Does again what it is asked again, but not too late. It can be asked what it has done."""

    delivery = Delivery.RECONCILABLE

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Do it, whether or not it was done before."""
        line = self._ledger.ask(action)
        if time.time_ns() // 1000 > not_after:
            return Outcome("failed", "asked too late", "none")
        self._ledger.write(f"{action.key}.{uuid.uuid4().hex}", line)
        return self._done(action)


class Silent(Forgetful):
    """Like `Forgetful`, and nobody may ask it: whoever does has it done once more, so that the ledger tells."""

    delivery = Delivery.NEITHER

    def reconcile(self, action: Action) -> Outcome | None:
        """What isn't to be called does it again."""
        return self.perform(action, time.time_ns() // 1000)


def make(data_dir: Path) -> Target:
    """The idempotent effector of an app's data directory."""
    return Target(data_dir / TARGET)


def make_forgetful(data_dir: Path) -> Target:
    """The reconcilable one."""
    return Forgetful(data_dir / TARGET)


def make_silent(data_dir: Path) -> Target:
    """The one that is neither."""
    return Silent(data_dir / TARGET)
