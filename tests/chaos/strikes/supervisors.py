"""The supervisor killed, told to end, doubled, and stopped until another has taken over."""

from __future__ import annotations

import os
import signal

from tests.chaos.running_app import RunningApp
from tests.chaos.strikes.arena import Arena, Fault, now_ms

GIVE_UP_S = 20.0


def kill_supervisor(arena: Arena, fault: str) -> None:
    """SIGKILL; another is started on the same data directory at once, while the old one's processes still drain."""
    arena.hit_all(fault, now_ms())
    arena.app.replace_supervisor(signal.SIGKILL)


def term_supervisor(arena: Arena, fault: str) -> None:
    """SIGTERM; another is started once it has drained and ended all of its own."""
    arena.hit_all(fault, now_ms())
    arena.app.replace_supervisor(signal.SIGTERM)


def two_supervisors(arena: Arena, fault: str) -> None:
    """A second one takes over while the first runs, which has to give way and end what it started."""
    arena.hit_all(fault, now_ms())
    first, second, first_was_up = arena.app, arena.app.twin(), arena.app.is_up
    second.start()
    arena.app = second
    second.wait_until_ready()
    _see_one_give_way(arena, fault, first, second, first_was_up=first_was_up)


def zombie_supervisor(arena: Arena, fault: str) -> None:
    """The first is stopped, a second takes over, the first wakes up."""
    arena.hit_all(fault, now_ms())
    first, second, first_was_up = arena.app, arena.app.twin(), arena.app.is_up
    os.kill(first.supervisor_pid, signal.SIGSTOP)
    second.start()
    arena.app = second
    second.wait_until_ready()
    os.kill(first.supervisor_pid, signal.SIGCONT)
    _see_one_give_way(arena, fault, first, second, first_was_up=first_was_up)


def _see_one_give_way(arena: Arena, fault: str, first: RunningApp, second: RunningApp, *, first_was_up: bool) -> None:
    """Whoever opened the assignments last goes on: the second, unless the first was struck before it had come so far."""
    if not arena.wait_for(lambda: first.has_ended() or second.has_ended(), GIVE_UP_S):
        arena.problems.append(f"{fault}: neither supervisor gave way within {GIVE_UP_S:.0f} s")
    elif first_was_up and not first.has_ended():
        arena.problems.append(f"{fault}: the first supervisor was up, and the second gave way to it")
    arena.app = first if second.has_ended() else second


FAULTS: dict[str, Fault] = {
    "kill-supervisor": kill_supervisor,
    "term-supervisor": term_supervisor,
    "two-supervisors": two_supervisors,
    "zombie-supervisor": zombie_supervisor,
}
