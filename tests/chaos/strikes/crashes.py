"""Crashes between any two numbered steps of a commit, and transactions that are aborted where they should commit."""

from __future__ import annotations

from functools import partial

from tests.chaos.inside import orders
from tests.chaos.strikes.arena import SHORT, Arena, Fault

TAKEN_S = 5.0


def _crash(stage: str, step: str, arena: Arena, fault: str) -> None:
    data = arena.app.data.root
    orders.give(data, stage, orders.Order(orders.KILL, step))
    arena.wait_for(lambda: orders.taken(data, stage) is not None, TAKEN_S)
    found = orders.taken(data, stage)
    if found is None:
        orders.withdraw(data, stage)
        arena.notes.append(f"{fault}: no shard came to {step} within {TAKEN_S:.0f} s")
        return
    arena.hit(fault, stage, found.worker, found.at_ms)


def _abort(stage: str, arena: Arena, fault: str) -> None:
    data = arena.app.data.root
    for _ in range(arena.draw.randint(1, 3)):
        orders.give(data, stage, orders.Order(orders.ABORT))
        if not arena.wait_for(lambda: orders.taken(data, stage) is not None, TAKEN_S):
            orders.withdraw(data, stage)
            arena.notes.append(f"{fault}: no shard committed within {TAKEN_S:.0f} s")


FAULTS: dict[str, Fault] = {
    f"crash-{short}-{step}": partial(_crash, stage, step) for short, stage in SHORT.items() for step in orders.STEPS
} | {f"abort-{short}": partial(_abort, stage) for short, stage in SHORT.items()}
