"""Orders: one file for each stage, written by the driver, taken by exactly one shard of the stage."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STEPS = ("begin", "outputs", "spans", "journal", "offsets", "commit", "committed")
"""Names that the kernel gives to the moments between the numbered steps of a commit."""
KILL, STOP, ABORT = "kill", "stop", "abort"


@dataclass(frozen=True)
class Order:
    """What to do (`kill` or `stop` the process at a step, `abort` the transaction in place of its commit)."""

    do: str
    step: str = ""


@dataclass(frozen=True)
class Taken:
    """Who took an order, and when (milliseconds)."""

    stage: str
    shard: int
    worker: str
    pid: int
    at_ms: int


def folder_of(data: Path) -> Path:
    """Where a data directory keeps orders."""
    return data / "chaos"


def give(data: Path, stage: str, order: Order) -> None:
    """Have the next shard of the stage that comes to the step carry it out."""
    folder = folder_of(data)
    folder.mkdir(exist_ok=True)
    aside = folder / f".{uuid.uuid4().hex}"
    aside.write_text(json.dumps(asdict(order)))
    (folder / f"taken.{stage}").unlink(missing_ok=True)
    aside.replace(folder / f"order.{stage}")


def withdraw(data: Path, stage: str) -> None:
    """Nobody came to the step: take the order back."""
    (folder_of(data) / f"order.{stage}").unlink(missing_ok=True)


def taken(data: Path, stage: str) -> Taken | None:
    """Who took the newest order, if anybody has."""
    try:
        value: dict[str, Any] = json.loads((folder_of(data) / f"taken.{stage}").read_text())
    except (OSError, ValueError):
        return None
    return Taken(**value)


class Orders:
    """The side of one shard. One thread."""

    def __init__(self, data: Path, stage: str, shard: int, worker: str) -> None:
        self._file = folder_of(data) / f"order.{stage}"
        self._taken = folder_of(data) / f"taken.{stage}"
        self._who = (stage, shard, worker)

    def hook(self, step: str) -> None:
        """Called between the steps of a commit."""
        order = self._read()
        if order is None or order.step != step or order.do not in {KILL, STOP} or not self._take():
            return
        os.kill(os.getpid(), signal.SIGKILL if order.do == KILL else signal.SIGSTOP)

    def may_commit(self) -> bool:
        """False where the transaction has to be aborted instead."""
        order = self._read()
        return order is None or order.do != ABORT or not self._take()

    def _read(self) -> Order | None:
        try:
            return Order(**json.loads(self._file.read_text()))
        except (OSError, ValueError):
            return None

    def _take(self) -> bool:
        """Only one shard gets it, and says so before it acts."""
        mine = self._file.with_name(f".{uuid.uuid4().hex}")
        try:
            self._file.rename(mine)
        except FileNotFoundError:
            return False
        stage, shard, worker = self._who
        mine.write_text(json.dumps(asdict(Taken(stage, shard, worker, os.getpid(), time.time_ns() // 1_000_000))))
        mine.replace(self._taken)
        return True
