"""Which shards wait for whom: the brakes of an app's stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rivergate.adapters.kafka_lag import LagClient
from rivergate.domain import names
from rivergate.kernel.brake import Awaited, Brake, Hold, TooFarBehind, TooMuchKept
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import Fold
from rivergate.runtime.limits import waiting
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.recovering import RecoveryReports

if TYPE_CHECKING:
    from rivergate.gate.fold import GateFold


class Brakes:
    """Makes the brakes of a process's shards, which share one client."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._app = spec.app.name
        self._waiting = waiting(spec)
        self._has_effects = bool(spec.options.get("effectors"))
        self._client = LagClient(spec.bootstrap, spec.security)

    def proposer(self, shard: ShardSpec, progress: RecoveryReports, replies: Sequence[str] = ()) -> Brake:
        """An agent's or a graph's, which waits for the gate; what tells of its proposals (`replies`) is always read."""
        inputs = frozenset(tp for tp in shard.inputs if tp[0] not in replies)
        written = (names.topic(self._app, names.PROPOSALS), shard.shard)
        gate = self._behind(
            names.PROPOSALS, names.GATE, [Awaited(f"{names.GATE}/0", written, inputs)], self._waiting.proposals_waiting
        )
        return Brake(shard.name, [gate], progress.waits)

    def gate(self, shard: ShardSpec, progress: RecoveryReports) -> Brake:
        """The gate's, which waits for people, and for each shard of effects, if the app has any: where it declares no
        effector, nobody reads its actions, and nobody is behind.
        """
        proposals = names.topic(self._app, names.PROPOSALS)
        inputs = frozenset(tp for tp in shard.inputs if tp[0] == proposals)
        holds: list[Hold] = [TooMuchKept("people", "reviews", open_reviews, self._waiting.reviews_waiting, inputs)]
        if self._has_effects:
            actions = names.topic(self._app, names.ACTIONS)
            awaited = [Awaited(f"{names.EFFECTS}/{p}", (actions, p), frozenset([(t, p)])) for t, p in sorted(inputs)]
            holds.append(self._behind(names.ACTIONS, names.EFFECTS, awaited, self._waiting.actions_waiting))
        return Brake(shard.name, holds, progress.waits)

    def _behind(self, what: str, reader: str, awaited: Sequence[Awaited], limit: int) -> TooFarBehind:
        lag = self._client.lag(names.group(self._app, reader), [a.partition for a in awaited])
        return TooFarBehind(what, lag, awaited, limit)


def open_reviews(fold: Fold) -> int:
    """Proposals that wait for people in the gate's state."""
    return len(cast("GateFold", fold).state.reviews)
