"""Shards on the move: an operator asks for more workers, for fewer, or for new processes, and what else strikes meets it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.app import PARTITIONS
from tests.chaos.strikes.arena import AGENT, EFFECTS, GATE, Arena, Fault

from rivergate.runtime.supervision.changes import Change, answer_to, ask


def rescale_up(arena: Arena, fault: str) -> None:
    """More workers than now, where that can be."""
    more = min(_workers(arena) + 1, PARTITIONS)
    _ask(arena, fault, Change((AGENT,), arena.draw.randint(more, PARTITIONS)))


def rescale_down(arena: Arena, fault: str) -> None:
    """Fewer workers than now, where that can be."""
    fewer = max(_workers(arena) - 1, 1)
    _ask(arena, fault, Change((AGENT,), arena.draw.randint(1, fewer)))


def rolling_restart(arena: Arena, fault: str) -> None:
    """New processes for one stage, or for all."""
    _ask(arena, fault, Change(arena.draw.choice(((AGENT,), (GATE,), (EFFECTS,), ()))))


def refusals(arena: Arena) -> Iterator[str]:
    """What supervisors couldn't do of what they were asked. One that ended meanwhile owes no answer."""
    for fault, data, asked in arena.asked:
        answer = answer_to(data, asked)
        if answer is not None and answer.error:
            yield f"{fault}: {answer.error['what']}"


def _workers(arena: Arena) -> int:
    return sum(p.stage == AGENT and p.has_shards for p in arena.app.processes)


def _ask(arena: Arena, fault: str, change: Change) -> None:
    data = arena.app.data
    arena.asked.append((fault, data, ask(data, change)))


FAULTS: dict[str, Fault] = {
    "rescale-up": rescale_up,
    "rescale-down": rescale_down,
    "rolling-restart": rolling_restart,
}
