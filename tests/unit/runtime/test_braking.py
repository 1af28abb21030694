"""Which holds the shards of a process get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivergate.domain.record import Output
from rivergate.gate.fold import GateFold
from rivergate.kernel.shard import ShardSpec
from rivergate.runtime import braking
from rivergate.runtime.limits import parse_limits
from rivergate.runtime.session import RunOptions
from rivergate.runtime.spec import AppRef
from rivergate.runtime.supervision.recovering import RecoveryReports, unheard
from rivergate.testing.memory_lag import MemoryLag
from rivergate.testing.memory_log import MemoryBroker

PROPOSALS, ACTIONS = ("plant.proposals", 0), ("plant.actions", 0)


class Offsets:
    """Stands for `LagClient`, on a log whose readers never commit."""

    def __init__(self, *_: Any) -> None:
        self._broker = MemoryBroker(auto_create=1)

    def lag(self, group: str, partitions: Any) -> MemoryLag:
        """See `LagClient.lag`."""
        return MemoryLag(self._broker, group, partitions)


@pytest.mark.parametrize(("effectors", "held"), [({}, frozenset()), ({"ring": "plant:bell"}, {PROPOSALS})])
def test_the_gate_waits_for_effects_where_the_app_has_some(
    effectors: dict[str, str], held: frozenset[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actions that nobody does may wait on the log in any number."""
    monkeypatch.setattr(braking, "LagClient", Offsets)
    options = RunOptions(
        AppRef("plant:app", "plant", 1),
        Path(),
        limits=parse_limits(["actions_waiting=1"]),
        extra={"effectors": effectors},
    )
    shard = ShardSpec("plant", "gate", 0, (PROPOSALS,), "c" * 64, "w")
    brake = braking.Brakes(options.supervisor("localhost:1")).gate(shard, RecoveryReports(unheard))
    action = Output(*ACTIONS, b"key", b"{}", b"id", b"rivergate.action.v1", b"")
    brake.wrote([action, action])
    assert brake.held(GateFold("plant", b"o" * 32)) == held
