"""The broker killed, and the broker restarted in good order."""

from __future__ import annotations

import time

from tests.chaos.strikes.arena import Arena, Fault, now_ms


def kill_broker(arena: Arena, fault: str) -> None:
    """SIGKILL, a moment without it, and the same data again."""
    at_ms = now_ms()
    arena.cluster.kill()
    time.sleep(arena.draw.uniform(0.0, 1.5))
    arena.cluster.start()
    _down_since(arena, fault, at_ms)


def restart_broker(arena: Arena, fault: str) -> None:
    """SIGTERM, and the same data again."""
    at_ms = now_ms()
    arena.cluster.stop()
    arena.cluster.start()
    _down_since(arena, fault, at_ms)


def _down_since(arena: Arena, fault: str, at_ms: int) -> None:
    """Every shard is down, and comes back under the owner that it had."""
    arena.hit_all(fault, at_ms)


FAULTS: dict[str, Fault] = {"kill-broker": kill_broker, "restart-broker": restart_broker}
