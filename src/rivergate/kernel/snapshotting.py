"""How a shard's loop takes snapshots: when one is due, of what, and what happens where the store takes none."""

from __future__ import annotations

import logging

from rivergate.domain.errors import SnapshotNotWritten
from rivergate.domain.journal import SnapshotRef
from rivergate.domain.record import TopicPartition
from rivergate.kernel.pace import SnapshotPace
from rivergate.kernel.recovery import Recovered
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import Snapshot
from rivergate.kernel.tools import Limits, Tools
from rivergate.ports import Fold, ShardLog

_LOG = logging.getLogger("rivergate.kernel")


class Snapshotting:
    """Stores a shard's state; the commit record that names it is the loop's. The shard's thread only."""

    def __init__(self, spec: ShardSpec, log: ShardLog, tools: Tools, limits: Limits) -> None:
        self._spec = spec
        self._log = log
        self._tools = tools
        self.pace = SnapshotPace(limits, tools.shards, tools.monotonic)

    def recovered(self, found: Recovered, seconds: float) -> None:
        """A recovery took so long; what it folded again is in no snapshot yet."""
        if found.replayed:
            self.pace.recovered(seconds, max(0.0, (self._tools.clock() - found.since) / 1e6))
        else:
            self.pace.recovered(0.0, None)

    def take(self, standing: Standing, fold: Fold) -> SnapshotRef:
        """Store the fold's state as the one at `standing`. Raises `SnapshotNotWritten`: then none is due for a while."""
        started = self._tools.monotonic()
        snapshot = Snapshot(standing, self._spec.code, self._tools.versions, fold.dump())
        try:
            ref = self._tools.snapshots.put(snapshot, self._lowest)
        except SnapshotNotWritten:
            self.pace.failed(started)
            raise
        self.pace.taken(started)
        return ref

    def take_if_due(self, standing: Standing, fold: Fold) -> SnapshotRef | None:
        """None where it isn't worth it yet, or the store takes none: log and state are whole, a recovery takes longer."""
        if not self.pace.is_due():
            return None
        try:
            return self.take(standing, fold)
        except SnapshotNotWritten as e:
            self.missed(e)
            return None

    def missed(self, cause: SnapshotNotWritten) -> None:
        """The shard goes on without one."""
        _LOG.warning("%s: %s", self._spec.name, cause)

    def _lowest(self) -> dict[TopicPartition, int]:
        return {tp: self._log.watermarks(tp)[0] for tp in self._spec.inputs}
