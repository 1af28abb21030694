"""What a strike may touch, and what it writes down."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.chaos.cluster import Cluster
from tests.chaos.progress import Progress
from tests.chaos.ray_nodes import RayNodes
from tests.chaos.running_app import RunningApp
from tests.checker.line import Partition

from rivergate.runtime.paths import DataDir

AGENT, GATE, EFFECTS = "agent-tracker", "gate", "effects"
SHORT = {"agent": AGENT, "gate": GATE, "effects": EFFECTS}
"""Stages by the word that faults call them."""
LOOK_S = 0.02


@dataclass(frozen=True)
class Hit:
    """A shard that lost its owner at `at_ms`: until somebody else commits on it, it is down."""

    fault: str
    stage: str
    shard: int
    worker: str
    at_ms: int


@dataclass
class Arena:
    """One thread: the driver's. `app` changes hands when another supervisor takes over. `problems` fail the round.
    `asked` are changes that a supervisor was asked for: by which fault, in which data directory, under which id.
    """

    app: RunningApp
    cluster: Cluster
    progress: Progress
    draw: Random
    nodes: RayNodes | None = None
    hits: list[Hit] = field(default_factory=list)
    offsets_deleted: set[tuple[str, Partition]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    asked: list[tuple[str, DataDir, str]] = field(default_factory=list)

    def send(self, fault: str, stage: str, number: signal.Signals) -> tuple[str, int]:
        """Send a signal to a process of the stage and write down which shards it takes away; its incarnation and pid."""
        process = self.app.process_of(stage, self.draw)
        at_ms = time.time_ns() // 1_000_000
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        self.hit(fault, process.stage, process.incarnation, at_ms)
        return process.incarnation, process.pid

    def hit(self, fault: str, stage: str, worker: str, at_ms: int) -> None:
        """The worker lost what it owned."""
        owned = [shard for shard, owner in self.progress.owners(stage).items() if owner == worker]
        self.hits += [Hit(fault, stage, shard, worker, at_ms) for shard in owned]

    def hit_all(self, fault: str, at_ms: int) -> None:
        """Everybody lost what they owned."""
        for stage in SHORT.values():
            for shard, worker in self.progress.owners(stage).items():
                self.hits.append(Hit(fault, stage, shard, worker, at_ms))

    def wait_for(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until it holds; False where it doesn't in time."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True


Fault = Callable[[Arena, str], None]
"""Given the arena and the fault's own name."""


def now_ms() -> int:
    """Wall clock, milliseconds."""
    return time.time_ns() // 1_000_000
