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
from rivergate.runtime import commands
from rivergate.runtime.crew import Crew
from rivergate.runtime.first_start import Bootstrap
from rivergate.runtime.hosts import Host
from rivergate.runtime.life_signs import SILENT_S, LifeSigns
from rivergate.runtime.plan import Slot
from rivergate.runtime.running import RunningState
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import wall_clock

_LOG = logging.getLogger("rivergate.runtime")

TICK_S = 0.1
RETRY_S = 1.0
WATCH_S = 0.5
LAST_S = 5.0
"""How long shards get the processors to themselves while they come up; then the rest starts beside them."""


@dataclass(slots=True)
class Owners:
    """Owner and attempt of every shard, as the assignments say."""

    stages: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)

    def give(self, slot: Slot, worker: str) -> None:
        """All shards of the slot to this worker."""
        stage = self.stages.setdefault(slot.stage, {})
        for shard in slot.shards:
            stage[shard] = (worker, stage.get(shard, ("", 0))[1])

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
        self._assigned: set[str] = set()
        self._unpublished: set[str] = set()
        self._publish_at = 0.0
        self._watch_at = 0.0

    def run(self, bootstrap: Bootstrap, stop: threading.Event) -> None:
        """Start everything, watch it until `stop`, end everything."""
        try:
            if not self._broker_starts:
                bootstrap.demand_broker()
            self._crew.start(s for s in self._slots if not s.comes_last)  # they import while we see to the topics
            self._say_what_runs()
            if self._broker_starts:
                bootstrap.wait_for_broker(stop)
                _LOG.info("the broker serves")
            bootstrap.demand_topics()
            bootstrap.demand_own_log()
            self._assignments.open()
            _LOG.info("the topics are there")
            self._say_what_runs(topics=True)
            self._assign("gate")
            bootstrap.demand_control(stop, self._crew.revive)
            _LOG.info("the policy is in force")
            self._assign(*{s.stage for s in self._slots if s.shards and s.stage != "gate"})
            self._last_at = time.monotonic() + LAST_S
            while not stop.is_set():
                self._tick(bootstrap)
                stop.wait(TICK_S)
        except Exception as e:
            self._state.fail(str(e) if isinstance(e, RivergateError) else f"a fault of rivergate: {e!r}")
            self._crew.stop()
            raise
        self._crew.stop()
        self._state.clear()

    def _tick(self, bootstrap: Bootstrap) -> None:
        self._crew.revive()
        for stage, shard in commands.take_resumes(self._base.data):
            if self._owners.resume(stage, shard):
                self._assign(stage)
        self._patiently(self._publish)
        self._say_what_runs()
        self._patiently(lambda: self._see_whether_ready(bootstrap))
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + WATCH_S
            self._patiently(self._assignments.demand_ours)
            self._patiently(lambda: self._look_at_shards(bootstrap))
            self._end_hung_workers(bootstrap)

    def _see_whether_ready(self, bootstrap: Bootstrap) -> None:
        ready = bootstrap.is_ready()
        if ready or time.monotonic() >= self._last_at:
            last, self._last = self._last, []
            self._crew.start(last)
        if ready:
            self._say_what_runs(ready=True)

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
                bootstrap.demand_broker()
            except RivergateError:
                signs.nobody_can_be_heard()
                return
            if signs.is_given_up(name):
                _LOG.warning("%s has said nothing for %.0f s: killed", name, signs.limit_s)
                self._crew.kill_hung(name)
                signs.forget(name)

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
        self._life_signs.expect(name)
        if slot.stage in self._assigned:
            self._assign(slot.stage)

    def _assign(self, *stages: str) -> None:
        found = {s for s in stages if s in self._owners.stages}
        self._assigned |= found
        self._unpublished |= found
        self._patiently(self._publish)

    def _publish(self) -> None:
        if self._unpublished and time.monotonic() >= self._publish_at:
            self._assignments.publish({s: self._owners.stages[s] for s in self._unpublished}, wall_clock())
            self._unpublished.clear()
