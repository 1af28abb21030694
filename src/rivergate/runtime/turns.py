"""How long a worker's thread keeps Python to itself while others wait for it."""

from __future__ import annotations

import sys

TURN_S = 0.0002


def take_short_turns() -> None:
    """A commit comes back to Python four times, while this shard or another one folds: with Python's own 5 ms a turn it
    took 13 ms longer than the broker did.
    """
    sys.setswitchinterval(TURN_S)
