"""The supervisor killed, told to end, doubled, and stopped until another has taken over."""

from __future__ import annotations

import os
import signal

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
    first, second = arena.app, arena.app.twin()
    second.start()
    arena.app = second
    second.wait_until_ready()
    if not arena.wait_for(first.has_ended, GIVE_UP_S):
        arena.problems.append(f"{fault}: the first supervisor didn't give way within {GIVE_UP_S:.0f} s")


def zombie_supervisor(arena: Arena, fault: str) -> None:
    """The first is stopped, a second takes over, the first wakes up."""
    arena.hit_all(fault, now_ms())
    first, second = arena.app, arena.app.twin()
    os.kill(first.supervisor_pid, signal.SIGSTOP)
    second.start()
    arena.app = second
    second.wait_until_ready()
    os.kill(first.supervisor_pid, signal.SIGCONT)
    if not arena.wait_for(first.has_ended, GIVE_UP_S):
        arena.problems.append(f"{fault}: the first supervisor didn't give way within {GIVE_UP_S:.0f} s")


FAULTS: dict[str, Fault] = {
    "kill-supervisor": kill_supervisor,
    "term-supervisor": term_supervisor,
    "two-supervisors": two_supervisors,
    "zombie-supervisor": zombie_supervisor,
}
