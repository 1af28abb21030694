"""The models: an offline sequential run over the order that the journals recorded ends at the digests that were live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.chaos.app import PARTITIONS
from tests.chaos.app.learner import Learner
from tests.chaos.checks.world import World
from tests.chaos.findings import Found, Kind
from tests.checker.line import Line, Partition

STAGE = "agent-tracker"


def offline_run(world: World) -> Iterator[Found]:
    """Fold every shard again, without the kernel, and compare what it knew whenever it was asked."""
    told = {int(x.get("shard")) for x in world.lines("standings") if x.get("mark") == world.mark}
    for shard in sorted(set(range(PARTITIONS)) - told):
        yield Found(Kind.LOST, "model", f"shard {shard} never said what it had learnt")
    for shard in range(PARTITIONS):
        yield from OfflineShard(world, shard).run()


class OfflineShard:
    """One shard, folded record by record in the recorded order.

    The first label of an event binds. After a pause both topics wait, so labels may be read before their events: such a
    label is learnt from right after its event.
    """

    def __init__(self, world: World, shard: int) -> None:
        self._world = world
        self._shard = shard
        self._learner = Learner()
        self._remembered: dict[str, dict[str, float] | None] = {}
        self._early: dict[str, bool] = {}
        lines = [*world.lines("readings"), *world.evidence.of("labels")]
        self._inputs: dict[Partition, dict[int, Line]] = {}
        for line in lines:
            self._inputs.setdefault((line.topic, line.partition), {})[line.offset] = line
        self._told: dict[str, list[Line]] = {}
        for line in world.lines("standings"):
            self._told.setdefault(str(line.get("key")) + f"/{line.get('mark')}", []).append(line)

    def run(self) -> Iterator[Found]:
        """Fold all of it."""
        for commit in self._world.evidence.journals.chains.get((STAGE, self._shard), []):
            skipped = set(commit.skipped)
            for topic, partition, start, end in commit.ranges:
                records = self._inputs.get((topic, partition), {})
                for offset in range(start, end):
                    line = records.get(offset)
                    if line is not None and line.where not in skipped:
                        yield from self._take(line)

    def _take(self, line: Line) -> Iterator[Found]:
        value: dict[str, Any] = line.json or {}
        match line.kind:
            case "chaos.reading":
                self._learner.see(value["key"], value["n"], value["features"])
                self._remembered[line.event_id] = value["features"]
                if line.event_id in self._early:
                    self._learn(line.event_id, self._early.pop(line.event_id))
            case "chaos.closing":
                yield from self._compare(f"{value['key']}/{value['mark']}", line)
            case "rivergate.label.v1":
                event_id = str(value["event_id"])
                if event_id in self._remembered:
                    self._learn(event_id, bool(value["value"]))
                else:
                    self._early.setdefault(event_id, bool(value["value"]))

    def _learn(self, event_id: str, value: bool) -> None:
        features = self._remembered[event_id]
        if features is not None:
            self._learner.learn(features, value)
            self._remembered[event_id] = None

    def _compare(self, name: str, closing: Line) -> Iterator[Found]:
        here = self._learner.digest()
        for told in self._told.get(name, []):
            if told.get("digest") != here:
                yield Found(
                    Kind.DIGEST_MISMATCH,
                    "model",
                    f"{told.where}: shard {self._shard} had learnt {told.get('learned')} labels "
                    f"({str(told.get('digest'))[:12]}), the offline run up to {closing.where} "
                    f"{self._learner.learned} ({here[:12]})",
                )
