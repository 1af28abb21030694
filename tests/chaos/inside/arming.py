"""Arms a worker: hooks between the steps of its commits, aborts on demand, a short window for deeds, and a planted fault if
there is one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from tests.chaos.inside.orders import Orders, folder_of

PLANT = "plant"
WINDOW_S = 3
"""How long after its intent a deed may begin: a successor waits for so long, so that rounds needn't."""


def arm(stages: ModuleType) -> None:
    """Wrap what puts drivers together."""
    make_tools, make_driver_maker = stages.tools, stages.driver_maker

    def tools(spec: Any, shard: Any, *more: Any) -> Any:
        orders = Orders(spec.data.root, shard.stage, shard.shard, shard.worker)
        return replace(make_tools(spec, shard, *more), hook=orders.hook)

    def driver_maker(spec: Any) -> Any:
        _abort_on_demand(spec)
        _shorten_windows()
        planted = folder_of(spec.data.root) / PLANT
        if planted.exists():
            from tests.chaos.inside.plants import PLANTS

            PLANTS[planted.read_text()]()
        return make_driver_maker(spec)

    stages.tools = tools  # type: ignore[attr-defined]
    stages.driver_maker = driver_maker  # type: ignore[attr-defined]


def _shorten_windows() -> None:
    from rivergate.domain.clock import SECOND
    from rivergate.effects import attempts

    attempts.EffectLimits = partial(attempts.EffectLimits, window=WINDOW_S * SECOND)  # type: ignore[misc, assignment]


def _abort_on_demand(spec: Any) -> None:
    from rivergate.adapters.kafka_log import KafkaShardLog
    from rivergate.domain.errors import TransactionAborted

    commit = KafkaShardLog.commit

    def commit_or_abort(self: KafkaShardLog) -> None:
        shard = self._spec
        if not Orders(spec.data.root, shard.stage, shard.shard, shard.worker).may_commit():
            self.abort()
            raise TransactionAborted("aborted on demand")
        commit(self)

    KafkaShardLog.commit = commit_or_abort  # type: ignore[method-assign]
