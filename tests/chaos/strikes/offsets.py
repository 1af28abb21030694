"""Committed offsets that are gone, as after the broker's retention of them."""

from __future__ import annotations

import signal
from functools import partial

from tests.chaos.offset_delete import delete_offsets
from tests.chaos.strikes.arena import SHORT, Arena, Fault

INPUTS = {
    "agent": ("-readings", ".labels"),
    "gate": (".proposals", ".decisions", ".outcomes"),
    "effects": (".actions",),
}


def _delete(short: str, arena: Arena, fault: str) -> None:
    """Delete all of a stage's, and kill one of its processes, so that somebody has to start without them."""
    app = arena.app.name
    group = f"{app}.{SHORT[short]}"
    places = [(t, p) for t, p in arena.cluster.partitions_of(app) if t.removeprefix(app) in INPUTS[short]]
    refused = delete_offsets(arena.cluster.bootstrap, group, places)
    if refused:
        arena.problems.append(f"{fault}: {refused}")
        return
    arena.offsets_deleted |= {(group, place) for place in places}
    arena.send(fault, SHORT[short], signal.SIGKILL)


FAULTS: dict[str, Fault] = {f"offsets-{short}": partial(_delete, short) for short in SHORT}
