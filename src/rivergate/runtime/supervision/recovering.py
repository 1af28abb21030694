"""How far a shard's recovery is, or its way through history, told now and then to whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 0.5

TellShare = Callable[[str, float | None], None]
"""Told in words how far it is, and the share that is done (0 to 1)."""


def unheard(how_far: str, share: float | None) -> None:
    """Nobody listens."""


class RecoveryReports:
    """A kernel's `Progress` that tells at most twice a second; `history` is another. `waits` is told all that a shard waits
    for, and an empty text once it goes on. One thread.
    """

    def __init__(
        self,
        tell: TellShare,
        monotonic: Callable[[], float] = time.monotonic,
        tell_history: TellShare = unheard,
        waits: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tell_waits = waits
        self._waits = {"reading": "", "acting": ""}
        self._tell = tell
        self._tell_history = tell_history
        self._monotonic = monotonic
        self._told_at = monotonic()
        self._told = ""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` commits have been replayed."""
        if self._is_time():
            self._tell(f"replayed {done:,} of {total:,} commits", done / total)

    def waits(self, why: str) -> None:
        """What the shard waits for before it reads on; empty: nothing."""
        self._wait("reading", why)

    def waits_for_deeds(self, why: str) -> None:
        """What of what it does doesn't come back; empty: nothing."""
        self._wait("acting", why)

    def _wait(self, what: str, why: str) -> None:
        self._waits[what] = why
        self._tell_waits("; ".join(w for w in self._waits.values() if w))

    def history(self, done: int, total: int, held: bool = False) -> None:  # noqa: FBT001, FBT002 - the kernel's callback
        """`done` of `total` offsets of history have been read, muted. The end is told in any case; one that is held (another
        app is copied into it) has none, and is told as far as it changes.
        """
        if held:
            told = f"held until the release, muted: read {done:,} of {total:,} copied records"
            if told != self._told and self._is_time():
                self._told = told
                self._tell_history(told, done / total if total else None)
        elif done >= total:
            self._tell_history("", None)
        elif self._is_time():
            self._tell_history(f"catching up, muted: read {done:,} of {total:,} records", done / total)

    def _is_time(self) -> bool:
        now = self._monotonic()
        if now - self._told_at < EVERY_S:
            return False
        self._told_at = now
        return True
