"""What has to hold after a round, each concern a module; nothing here knows the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks import effects, inputs, model, readers, wire
from tests.chaos.checks.world import World
from tests.chaos.findings import Found

ALL = (inputs.all_of_it, inputs.order, model.offline_run, readers.same, effects.ledger, wire.contract)


def judge(world: World) -> Iterator[Found]:
    """All that doesn't hold."""
    for check in ALL:
        yield from check(world)
