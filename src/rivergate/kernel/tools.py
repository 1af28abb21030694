"""What a shard's driver is given beside its log: bounds, and what it works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rivergate.audit.otlp import SpanEncoder
from rivergate.kernel.brake import Brake
from rivergate.kernel.commit import Hook, no_hook
from rivergate.kernel.recovery import Progress, silent
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.ports import Clock, LogArchive


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a shard's loop. Times in seconds.

    After `idle_positions_s` without a record of an input, the transaction markers that were passed there are committed.
    A performer has at most `open` records open at a time. What a worker's transactors have folded since their snapshots
    takes some `replay_s` together, but snapshots take no more than `snapshot_share` of the time. Nothing that was folded
    stays out of them for longer than `snapshot_age_s`, which has to be less than inputs are kept.
    """

    batch: int = 1000
    wait_s: float = 0.1
    rebuilds_a_minute: int = 20
    replay_s: float = 1.0
    snapshot_share: float = 0.05
    snapshot_age_s: float = 6 * 3600.0
    clock_ahead_s: float = 60.0
    idle_positions_s: float = 60.0
    output_bytes: int = 900_000
    open: int = 256


def alone() -> int:
    """There is one shard in this process."""
    return 1


@dataclass(frozen=True, slots=True)
class Tools:
    """What a driver works with beside its log: all of it injected."""

    snapshots: SnapshotStore
    reader: Callable[[], LogArchive]
    encoder: SpanEncoder
    clock: Clock
    versions: dict[str, str]
    monotonic: Callable[[], float] = time.monotonic
    hook: Hook = no_hook
    progress: Progress = silent
    catching_up: Callable[[int, int, bool], None] = lambda *_: None
    """Called with (offsets of history read, offsets in all, whether the shard is held)."""
    brake: Brake = field(default_factory=Brake)
    waits: Callable[[str], None] = lambda _: None
    """Told what the shard waits for; empty once it goes on."""
    shards: Callable[[], int] = alone
    """How many shards this process has now, that of the driver among them. Any thread."""
