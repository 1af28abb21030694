"""When a process that has ended starts again: a policy, which starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

QUICK_DEATH_S = 10.0
MAX_BACKOFF_S = 10.0
AGAIN_S = 0.25
"""What passes before a start that never began is tried again."""
HOST_S = 30.0
"""How long a host may take to fill a place anew; starts that still don't begin then are deaths like any."""


@dataclass(frozen=True, slots=True)
class Starts:
    """How the starts of a slot went lately, and `wait_s`, what the next one waits. Times are monotonic seconds.

    `quick_deaths` in a row delay it: 0, 1, 2, 4 s and so on. A start that never began, since its host was filling the
    place anew, says nothing about the process: it delays nothing for as long as a host may take.
    """

    quick_deaths: int = 0
    wait_s: float = 0.0
    unbegun_since: float | None = None

    def after_end(self, started: float, now: float) -> Starts:
        """It ran, and ended."""
        return self.after_quick_death() if now - started < QUICK_DEATH_S else Starts()

    def after_quick_death(self) -> Starts:
        """It ended soon after its start."""
        deaths = self.quick_deaths + 1
        return Starts(deaths, min(0.25 * 2**deaths, MAX_BACKOFF_S) if deaths > 1 else 0.0)

    def after_nothing(self, now: float) -> Starts:
        """It never began."""
        since = now if self.unbegun_since is None else self.unbegun_since
        if now - since < HOST_S:
            return Starts(self.quick_deaths, AGAIN_S, since)
        return replace(self.after_refusal(), unbegun_since=since)

    def after_refusal(self) -> Starts:
        """No process was made for it."""
        death = self.after_quick_death()
        return replace(death, wait_s=max(death.wait_s, AGAIN_S))
