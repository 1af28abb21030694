"""Moves: a running stage gets more workers, fewer, or new ones, and its shards go over to them one after another.

A shard that moves is first nobody's: its owner drains it, which leaves a snapshot, and says so. Then it is given to a
process that has imported everything. Nobody else's shards are touched. Were the old owner slow, or dead, the new one's
fence keeps whatever it still tries out of the log: that a drain is waited for is for speed, and for changed code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rivergate.adapters.kafka_status import ShardStatus
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.domain.names import GATE
from rivergate.runtime.supervision import plan
from rivergate.runtime.supervision.crew import Crew, Incarnation

DRAIN_S = 20.0
"""How long an owner may take to drain a shard; then the next one fences it."""
ARRIVE_S = 120.0
"""How long a new process may import."""
SILENT_S = 60.0
"""How long nothing may be heard of a shard that comes up."""
AT_REST = ("stopped", "parked", "fenced")
"""States in which a worker does nothing with a shard any more."""
UP = ("running", "parked")
"""States in which a shard's new worker has done what it could."""

Steps = Iterator[str]
"""Yields what it waits for, and goes on with the next tick."""
Reports = Mapping[tuple[str, int], ShardStatus]


@dataclass(frozen=True, slots=True)
class Moved:
    """A shard that has another worker. It was at rest for `paused_s` seconds at most: from when its owner was told to
    drain it until the new one said that it runs. `state` is `running`, or `parked` for one that can't go on.
    """

    shard: str
    before: str
    after: str
    paused_s: float
    state: str


@dataclass(slots=True)
class Done:
    """What has been done so far: shards moved, slots whose process was started, slots that were ended."""

    moved: list[Moved] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


class Moves:
    """One thread, the supervisor's. `reports` are to be kept up to date while steps are taken; `done` says what was.

    `hand` makes a worker the owner of a shard, or nobody where it is empty; `is_published` says whether the assignments
    of a stage are on the log as they are.
    """

    def __init__(
        self,
        crew: Crew,
        hand: Callable[[str, int, str], None],
        is_published: Callable[[str], bool],
        spares: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._crew = crew
        self._hand = hand
        self._is_published = is_published
        self._spares = spares
        self._monotonic = monotonic
        self.reports: Reports = {}
        self.done = Done()
        self._workers: dict[str, int] = {}

    def scale(self, stage: str, workers: int) -> Steps:
        """Spread a stage's shards over so many workers. Raises `BadInput`, `RivergateError`."""
        self._demand_scalable(stage, workers)
        yield from self._spread(stage, workers)
        self._workers[stage] = workers

    def restart(self, stages: Sequence[str]) -> Steps:
        """Replace the processes of these stages one after another, of all that have shards if none is named.

        Spares come first: from then on whatever dies is replaced by something new. Raises `BadInput`, `RivergateError`.
        """
        stages = stages or self._crew.stages()
        for stage in stages:
            self._demand_stage(stage)
        for stage in stages:
            old = {i.name for i in self._crew.of(stage)}
            workers = self._workers.setdefault(stage, sum(bool(i.slot.shards) for i in self._crew.of(stage)))
            while left := [i for i in self._crew.of(stage) if i.name in old]:
                yield from self._replace(min(left, key=lambda i: len(i.slot.shards)))
            yield from self._spread(stage, workers)  # nothing to do, unless something died or failed before

    # --- steps ---------------------------------------------------------------------------------------------

    def _spread(self, stage: str, workers: int) -> Steps:
        crew = self._crew
        had = {i.slot.name for i in crew.of(stage) if i.slot.shards}
        recruits = yield from self._recruit(stage, workers + self._spares - len(crew.of(stage)))
        with self._dismissing(recruits):
            while moves := plan.moves(self._places(stage), workers):
                yield from self._move(stage, *moves[0])
        surplus = max(0, len(crew.of(stage)) - workers - self._spares)
        idle = [i.slot.name for i in crew.of(stage) if not i.slot.shards]
        yield from self._retire(sorted(idle, key=lambda slot: slot not in had)[:surplus])

    def _places(self, stage: str) -> dict[str, tuple[int, ...]]:
        """Slots that have shards, then those that could have some, newest first, with their shards."""
        there = [i.slot for i in self._crew.of(stage) if i.slot.shards or self._crew.has_arrived(i.slot.name)]
        return {s.name: s.shards for s in (*(s for s in there if s.shards), *(s for s in there[::-1] if not s.shards))}

    def _replace(self, leaving: Incarnation) -> Steps:
        """If it dies meanwhile, whoever has its shards then keeps them. If the new one does, it gets none before it is there
        again: until then a spare would take them from it, which may be the one that is to leave.
        """
        stage = leaving.slot.stage
        recruits = yield from self._recruit(stage, 1)
        with self._dismissing(recruits):
            while leaving in self._crew.of(stage) and leaving.slot.shards:
                yield from self._wait_until_there(recruits)
                yield from self._move(stage, leaving.slot.shards[0], recruits[0])
        if leaving in self._crew.of(stage):
            yield from self._retire([leaving.slot.name])

    def _recruit(self, stage: str, count: int) -> Generator[str, None, list[str]]:
        """Start so many processes more, and wait until they have imported everything; their slots."""
        slots: list[str] = []
        with self._dismissing(slots):
            slots += (self._crew.recruit(stage) for _ in range(count))
            try:
                yield from self._wait_until_there(slots)
            except RivergateError as e:
                what = f"a new process of {stage} can't begin, so the old ones go on: {e.what}"
                raise RivergateError(what, where=e.where, remedy=e.remedy) from e
        self.done.started += slots
        return slots

    def _wait_until_there(self, slots: Iterable[str]) -> Steps:
        until = self._monotonic() + ARRIVE_S
        while waited_for := [s for s in slots if not self._crew.has_arrived(s)]:
            if self._monotonic() > until:
                raise RivergateError(f"it hasn't imported everything after {ARRIVE_S:.0f} s")
            yield f"{', '.join(waited_for)}: importing"

    @contextmanager
    def _dismissing(self, recruits: Iterable[str]) -> Iterator[None]:
        """Where it doesn't go well, those that have no shards are of no use."""
        try:
            yield
        except Exception:
            for slot in recruits:
                if not self._crew.in_slot(slot).slot.shards:
                    self._crew.retire(slot)
            raise

    def _retire(self, slots: list[str]) -> Steps:
        for slot in slots:
            self._crew.retire(slot)
        while any(map(self._crew.is_leaving, slots)):
            yield f"{', '.join(slots)}: ending"
        self.done.ended += slots

    def _move(self, stage: str, shard: int, to: str) -> Steps:
        """A shard that ran and parks at its new worker goes back: what it was drained to is still the newest."""
        before, ran = self._crew.owner_of(stage, shard), self._is(stage, shard, "running")
        yield from self._hand_over(stage, shard, to)
        if ran and self._is(stage, shard, "parked"):
            why = self.reports[stage, shard].reason.partition("\n→ ")[0]
            if before in self._crew.of(stage):
                yield from self._hand_over(stage, shard, before.slot.name)
            now = f"{self.reports[stage, shard].state} at {self._crew.owner_of(stage, shard).slot.name} now"
            raise RivergateError(
                f"{stage}/{shard} parked at its new worker, and is {now}; nothing else moves: {why}",
                remedy=f"see {to}.log; mend the code or put the old code back, and restart {stage} again",
            )

    def _hand_over(self, stage: str, shard: int, to: str) -> Steps:
        name = f"{stage}/{shard}"
        before = self._crew.owner_of(stage, shard)
        self._crew.move(stage, shard, to)
        began = self._monotonic()
        self._hand(stage, shard, "")
        while not self._is_published(stage):
            yield f"{name}: {before.slot.name} drains it"
        until = self._monotonic() + DRAIN_S
        while before.running.alive() and not self._says(stage, shard, before, AT_REST) and self._monotonic() < until:
            yield f"{name}: {before.slot.name} drains it"
        self._hand(stage, shard, self._crew.owner_of(stage, shard).name)
        yield from self._wait_until_up(stage, shard)
        after = self._crew.owner_of(stage, shard)
        paused_s = round(self._monotonic() - began, 3)
        self.done.moved.append(Moved(name, before.name, after.name, paused_s, self.reports[stage, shard].state))

    def _wait_until_up(self, stage: str, shard: int) -> Steps:
        """A recovery may take long, as long as it goes on."""
        heard, until = self._news(stage, shard), self._monotonic() + SILENT_S
        while not self._says(stage, shard, self._crew.owner_of(stage, shard), UP):
            if self._news(stage, shard) != heard:
                heard, until = self._news(stage, shard), self._monotonic() + SILENT_S
            if self._monotonic() > until:
                raise RivergateError(
                    f"nothing new has been heard of {stage}/{shard} for {SILENT_S:.0f} s since it moved",
                    remedy="see `rivergate shards list` and the logs; the supervisor goes on trying; ask again afterwards",
                )
            yield f"{stage}/{shard}: {self._crew.owner_of(stage, shard).slot.name} opens it"

    def _news(self, stage: str, shard: int) -> ShardStatus | None:
        """The newest report; one that only repeats what it said, as workers do every two seconds, is none."""
        report = self.reports.get((stage, shard))
        return None if report is None else replace(report, at="")

    def _is(self, stage: str, shard: int, state: str) -> bool:
        return self._says(stage, shard, self._crew.owner_of(stage, shard), (state,))

    def _says(self, stage: str, shard: int, worker: Incarnation, states: Collection[str]) -> bool:
        report = self.reports.get((stage, shard))
        return report is not None and report.worker == worker.name and report.state in states

    # --- what can be asked ---------------------------------------------------------------------------------

    def _demand_stage(self, stage: str) -> None:
        if stage not in self._crew.stages():
            raise BadInput(f"no stage {stage} runs here", remedy=f"name one of {', '.join(self._crew.stages())}")

    def _demand_scalable(self, stage: str, workers: int) -> None:
        self._demand_stage(stage)
        slots = [i.slot for i in self._crew.of(stage)]
        shards = sum(len(s.shards) for s in slots)
        if not slots[0].under_ray and workers != 1:
            raise BadInput(
                f"{stage} has one worker, always: only agents and graphs are spread over several",
                remedy="scale the agents; one core judges some 15,000 proposals a second" if stage == GATE else "",
            )
        if not 1 <= workers <= shards:
            raise BadInput(
                f"{stage} can't have {workers} workers: it has {shards} shards, one for each partition, and a worker needs one",
                remedy=f"ask for 1 to {shards}; the number of partitions is settled when an app first starts",
            )
