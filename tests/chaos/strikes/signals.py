"""SIGKILL and SIGTERM to a process of a stage."""

from __future__ import annotations

import signal
from functools import partial

from tests.chaos.strikes.arena import SHORT, Arena, Fault


def _send(number: signal.Signals, stage: str, arena: Arena, fault: str) -> None:
    arena.send(fault, stage, number)


FAULTS: dict[str, Fault] = {
    f"{word}-{short}": partial(_send, number, stage)
    for word, number in (("kill", signal.SIGKILL), ("term", signal.SIGTERM))
    for short, stage in SHORT.items()
}
