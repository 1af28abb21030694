"""The supervisor: brings an app up in order, writes who owns which shard, and watches over both."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rivergate.adapters.kafka_assignments import AssignmentLog
from rivergate.domain.errors import RivergateError
from rivergate.runtime.running import RunningState
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import wall_clock
from rivergate.runtime.supervision import commands
from rivergate.runtime.supervision.arrivals import has_arrived
from rivergate.runtime.supervision.changes import Changes
from rivergate.runtime.supervision.crew import Crew
from rivergate.runtime.supervision.first_start import Bootstrap
from rivergate.runtime.supervision.hosts import Host
from rivergate.runtime.supervision.life_signs import SILENT_S, LifeSigns
from rivergate.runtime.supervision.moves import Moves
from rivergate.runtime.supervision.plan import Slot

_LOG = logging.getLogger("rivergate.runtime")

TICK_S = 0.1
MOVING_TICK_S = 0.01
RETRY_S = 1.0
WATCH_S = 0.5
LAST_S = 5.0
"""How long shards get the processors to themselves while they come up; then the rest starts beside them."""


@dataclass(slots=True)
class Owners:
    """Owner and attempt of every shard, as the assignments say."""

    stages: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)

    def give(self, slot: Slot, worker: str) -> None:
        """All shards of the slot to this worker, save one that is being moved: its owner of before still drains it."""
        stage = self.stages.setdefault(slot.stage, {})
        for shard in slot.shards:
            owner, attempt = stage.get(shard, (worker, 0))
            stage[shard] = (worker if owner else "", attempt)

    def hand(self, stage: str, shard: int, worker: str) -> None:
        """One shard to this worker; to nobody, if it is empty."""
        self.stages[stage][shard] = (worker, self.stages[stage][shard][1])

    def of(self, worker: str) -> list[str]:
        """Names of the shards that the worker has."""
        return [f"{stage}/{s}" for stage, owned in self.stages.items() for s, (w, _) in owned.items() if w == worker]

    def named(self, stage: str) -> dict[int, tuple[str, int]]:
        """Owner and attempt of the stage's shards that have an owner."""
        return {shard: owner for shard, owner in self.stages[stage].items() if owner[0]}

    def resume(self, stage: str, shard: int) -> bool:
        """Ask for another attempt; False where there is no such shard."""
        owner = self.stages.get(stage, {}).get(shard)
        if owner is None:
            return False
        self.stages[stage][shard] = (owner[0], owner[1] + 1)
        return True


class Supervisor:
    """One thread runs it. `host_of` and `base` are the crew's."""

    def __init__(
        self,
        base: ProcessSpec,
        slots: Sequence[Slot],
        host_of: Mapping[bool, Host],
        assignments: AssignmentLog,
        state: RunningState,
    ) -> None:
        self._base = base
        self._slots = slots
        self._crew = Crew(base, host_of, self._took)
        self._last = [s for s in slots if s.comes_last]
        self._last_at = float("inf")
        self._assignments = assignments
        self._state = state
        self._broker_starts = bool(base.options.get("broker_starts"))
        self._life_signs = LifeSigns(float(base.options.get("silent_s", SILENT_S)))
        self._owners = Owners()
        moves = Moves(self._crew, self._hand, self._is_published, int(base.options.get("spares", 0)))
        self._changes = Changes(base.data, moves)
        self._assigned: set[str] = set()
        self._unpublished: set[str] = set()
        self._parked: Mapping[tuple[str, int], str] = {}
        self._publish_at = 0.0
        self._watch_at = 0.0

    def run(self, bootstrap: Bootstrap, stop: threading.Event) -> None:
        """Start everything, watch it until `stop`, end everything."""
        bootstrap.is_ours = self._crew.has
        try:
            if not self._broker_starts:
                bootstrap.demand_broker()
            self._crew.start(s for s in self._slots if not s.comes_last)  # they import while we see to the topics
            self._say_what_runs()
            if self._broker_starts:
                bootstrap.wait_for_broker(stop)
                _LOG.info("the broker serves")
            for step in (bootstrap.demand_topics, bootstrap.demand_own_log, self._assignments.open):
                insist(step, stop)
            _LOG.info("the topics are there")
            self._say_what_runs(topics=True)
            self._follow_parked()
            self._assign("gate")
            insist(lambda: bootstrap.demand_control(stop, self._crew.revive), stop)
            _LOG.info("the policy is in force")
            self._assign(*{s.stage for s in self._slots if s.shards and s.stage != "gate"})
            self._last_at = time.monotonic() + LAST_S
            while not stop.is_set():
                self._tick(bootstrap)
                stop.wait(MOVING_TICK_S if self._changes.under_way else TICK_S)
        except Exception as e:
            try:
                self._state.fail(str(e) if isinstance(e, RivergateError) else f"a fault of rivergate: {e!r}")
            finally:
                self._crew.stop()
            raise
        self._crew.stop()
        self._state.clear()

    def _tick(self, bootstrap: Bootstrap) -> None:
        if self._crew.has_losses():  # they may have been ended by another supervisor, which they now work for
            self._patiently(self._assignments.demand_ours)
        self._crew.revive()
        for stage, shard in commands.take_resumes(self._base.data):
            if self._owners.resume(stage, shard):
                self._assign(stage)
        self._follow_parked()
        self._patiently(self._publish)
        self._say_what_runs()
        self._patiently(lambda: self._go_on_if_ready(bootstrap))
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + WATCH_S
            self._patiently(self._assignments.demand_ours)
            self._patiently(lambda: self._look_at_shards(bootstrap))
            self._end_hung_workers(bootstrap)

    def _go_on_if_ready(self, bootstrap: Bootstrap) -> None:
        """Once all that was planned runs, changes may be made to it."""
        ready = bootstrap.is_ready()
        if ready or time.monotonic() >= self._last_at:
            last, self._last = self._last, []
            self._crew.start(last)
        if ready:
            self._say_what_runs(ready=True)
            self._changes.go_on(bootstrap.reports)

    def _look_at_shards(self, bootstrap: Bootstrap) -> None:
        reports = bootstrap.reports()
        self._life_signs.hear(reports)
        named = {f"{stage}/{shard}": report for (stage, shard), report in reports.items()}
        parked = {name: r.reason for name, r in named.items() if r.state == "parked"}
        recovering = {name: r.share for name, r in named.items() if r.share is not None and r.state == "starting"}
        self._say_what_runs(parked=parked, recovering=recovering)

    def _end_hung_workers(self, bootstrap: Bootstrap) -> None:
        """A worker that says nothing any more is killed, and started again like any that died."""
        signs = self._life_signs
        for name in signs.silent(self._crew.alive()):
            try:
                bootstrap.demand_reports()
            except RivergateError:
                signs.nobody_can_be_heard()
                return
            if signs.is_given_up(name):
                _LOG.warning("%s has said nothing for %.0f s: killed", name, signs.limit_s)
                self._crew.kill_hung(name)
                signs.expect(name, importing=False)  # should it live on, it is killed again

    def _say_what_runs(self, **news: Any) -> None:
        """Bring the state file up to date; `news` as in `RunningState.update`."""
        self._state.update(self._crew.processes(), **news)

    def _patiently(self, step: Callable[[], None]) -> None:
        """What needs the broker is tried again while it is away; the processes run on and wait likewise."""
        try:
            step()
        except RivergateError as e:
            if not e.retryable:
                raise
            _LOG.warning("waits and tries again: %s", e.what)
            self._publish_at = time.monotonic() + RETRY_S

    def _took(self, slot: Slot, name: str) -> None:
        """Another incarnation has the shards of a slot."""
        self._owners.give(slot, name)
        self._expect(name)
        if slot.stage in self._assigned:
            self._assign(slot.stage)

    def _hand(self, stage: str, shard: int, worker: str) -> None:
        """A shard is to be this worker's, or for the moment nobody's; published with the next tick."""
        if worker and not self._owners.of(worker):
            self._expect(worker)
        self._owners.hand(stage, shard, worker)
        self._unpublished.add(stage)

    def _expect(self, worker: str) -> None:
        self._life_signs.expect(worker, importing=not has_arrived(self._base.data, worker))

    def _is_published(self, stage: str) -> bool:
        return stage not in self._unpublished

    def _assign(self, *stages: str) -> None:
        found = {s for s in stages if s in self._owners.stages}
        self._assigned |= found
        self._unpublished |= found
        self._patiently(self._publish)

    def _follow_parked(self) -> None:
        """Tell the stages of which an operator has parked a shard since, or let it run again."""
        before, self._parked = self._parked, commands.parked(self._base.data)
        self._assign(*self._assigned.intersection(stage for (stage, _), _ in before.items() ^ self._parked.items()))

    def _publish(self) -> None:
        if self._unpublished and time.monotonic() >= self._publish_at:
            owners = {s: self._owners.named(s) for s in self._unpublished}
            self._assignments.publish(owners, wall_clock(), self._parked)
            self._unpublished.clear()


def insist(step: Callable[[], None], stop: threading.Event) -> None:
    """Do a step of the start again and again while the broker is away, until `stop`. Raises what can't be tried again."""
    while not stop.is_set():
        try:
            return step()
        except RivergateError as e:
            if not e.retryable:
                raise
            _LOG.warning("waits for the broker and tries again: %s", e.what)
            stop.wait(RETRY_S)
    return None
