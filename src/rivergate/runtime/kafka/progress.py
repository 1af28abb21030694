"""How long steps tell what they are at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, float | None], None]
"""Called with what is being done and the share that is done, 0 to 1, or None where that can't be known.

Calls come from the thread that started the step, never from two threads at once.
"""


def unheard(_doing: str, _share: float | None) -> None:
    """A progress that nobody listens to."""
