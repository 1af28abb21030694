"""Zombies: a process stops, somebody else takes its shards over, and it wakes up believing that they are its own.

A supervisor kills a worker that has been silent for long, so a zombie is what another machine's supervisor can't kill:
here the supervisor is replaced together with the process that stops. Its successor starts everything anew, and the
stopped process can't hear that its parent is gone. One that is `lost` has no connection to the broker any more when it
wakes up, so that no answer tells it that it was fenced: it has to find out before it begins anew, since by beginning
anew it would fence its successor. `freeze` stops a process for longer than the broker's transaction
timeout: in some rounds the supervisor has replaced it by then, in others it finds its transaction aborted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from functools import partial

from tests.chaos.inside import orders
from tests.chaos.strikes.arena import SHORT, Arena, Fault, now_ms

TAKE_OVER_S = 30.0
TAKEN_S = 4.0
FREEZE_S = 11.0


def _zombie(stage: str, step: str, arena: Arena, fault: str, *, lost: bool = False) -> None:
    pid, worker = _stop(stage, step, arena)
    arena.hit_all(fault, now_ms())
    if lost and not arena.cluster.proxy.cut(f"{arena.app.name}.{stage}."):
        arena.notes.append(f"{fault}: {stage} had no connection to be cut")
    shards = [shard for shard, owner in arena.progress.owners(stage).items() if owner == worker]
    try:
        arena.app.replace_supervisor(signal.SIGKILL)
        taken_over = arena.wait_for(lambda: _taken_over(arena, stage, worker, shards), TAKE_OVER_S)
        if not taken_over:
            arena.notes.append(f"{fault}: {worker} woke up before all its shards had another owner's commit")
        time.sleep(arena.draw.uniform(0.0, 0.5))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _taken_over(arena: Arena, stage: str, worker: str, shards: Sequence[int]) -> bool:
    """Whether each of these shards has a commit of another owner, or nothing to commit."""
    return not arena.progress.outstanding() or all(arena.progress.owners(stage).get(s) != worker for s in shards)


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
    | {f"lost-zombie-{short}": partial(_zombie, stage, "", lost=True) for short, stage in SHORT.items()}
    | {f"freeze-{short}": partial(_freeze, stage) for short, stage in SHORT.items()}
)
