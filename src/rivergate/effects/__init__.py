"""Effects: the only part that acts on the world, and the only one with the credentials for it."""

from __future__ import annotations

import time
from pathlib import Path

from rivergate.effects.effector import Action, Delivery, Effector, Outcome
from rivergate.effects.json_lines import JsonLines

__all__ = ["Action", "Delivery", "Effector", "JsonLines", "Outcome", "work_orders"]


def work_orders(data_dir: Path) -> JsonLines:
    """An effector that writes `work-orders.jsonl` in the data directory."""
    return JsonLines(data_dir / "work-orders.jsonl", lambda: time.time_ns() // 1000)
