"""Zombies: a process stops, somebody else takes its shards over, and it wakes up believing that they are its own.

A supervisor kills a worker that has been silent for long, so a zombie is what another machine's supervisor can't kill:
here the supervisor is replaced together with the process that stops. Its successor starts everything anew, and the
stopped process can't hear that its parent is gone. `freeze` stops a process for longer than the broker's transaction
timeout: in some rounds the supervisor has replaced it by then, in others it finds its transaction aborted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial

from tests.chaos.inside import orders
from tests.chaos.strikes.arena import SHORT, Arena, Fault, now_ms

TAKE_OVER_S = 30.0
TAKEN_S = 4.0
FREEZE_S = 11.0


def _zombie(stage: str, step: str, arena: Arena, fault: str) -> None:
    pid, worker = _stop(stage, step, arena)
    arena.hit_all(fault, now_ms())
    shards = [shard for shard, owner in arena.progress.owners(stage).items() if owner == worker]
    try:
        arena.app.replace_supervisor(signal.SIGKILL)
        taken_over = arena.wait_for(
            lambda: all(arena.progress.owners(stage).get(s) != worker for s in shards), TAKE_OVER_S
        )
        if not taken_over:
            arena.notes.append(f"{fault}: {worker} woke up before all its shards had another owner's commit")
        time.sleep(arena.draw.uniform(0.0, 0.5))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _freeze(stage: str, arena: Arena, fault: str) -> None:
    pid, _ = _stop(stage, "", arena)
    time.sleep(FREEZE_S)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _stop(stage: str, step: str, arena: Arena) -> tuple[int, str]:
    """Stop a process of the stage: at a step of a commit, or wherever it is; without a step, one is drawn."""
    if step or arena.draw.random() < 0.7:
        step = step or arena.draw.choice(orders.STEPS)
        orders.give(arena.app.data.root, stage, orders.Order(orders.STOP, step))
        if arena.wait_for(lambda: orders.taken(arena.app.data.root, stage) is not None, TAKEN_S):
            found = orders.taken(arena.app.data.root, stage)
            if found is not None:
                return found.pid, found.worker
        orders.withdraw(arena.app.data.root, stage)
    process = arena.app.process_of(stage, arena.draw)
    os.kill(process.pid, signal.SIGSTOP)
    return process.pid, process.incarnation


FAULTS: dict[str, Fault] = (
    {f"zombie-{short}": partial(_zombie, stage, "") for short, stage in SHORT.items()}
    | {f"zombie-{short}-begin": partial(_zombie, stage, "begin") for short, stage in SHORT.items()}
    | {f"freeze-{short}": partial(_freeze, stage) for short, stage in SHORT.items()}
)
