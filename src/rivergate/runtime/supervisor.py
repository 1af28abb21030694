"""The supervisor: writes the assignments, starts the processes, and starts again what has died."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rivergate.adapters.kafka_assignments import AssignmentLog
from rivergate.domain.errors import RivergateError
from rivergate.runtime import commands
from rivergate.runtime.endings import take_ending
from rivergate.runtime.first_start import Bootstrap
from rivergate.runtime.hosts import Host, Running
from rivergate.runtime.life_signs import SILENT_S, LifeSigns
from rivergate.runtime.plan import Slot
from rivergate.runtime.running import RunningState, StageProcess
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import wall_clock

_LOG = logging.getLogger("rivergate.runtime")

TICK_S = 0.1
QUICK_DEATH_S = 10.0
MAX_BACKOFF_S = 10.0
RETRY_S = 1.0
WATCH_S = 0.5
STOP_S = 3.0


@dataclass(slots=True)
class Incarnation:
    """A slot's present process. `quick_deaths` in a row delay its next start; `first` is the slot's first one."""

    slot: Slot
    running: Running
    name: str
    started: float
    quick_deaths: int = 0
    start_at: float | None = None
    first: bool = True


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
    """One thread runs it. `hosts` maps a slot to the host that it lives on; `base` is what every process is told."""

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
        self._host_of = host_of
        self._assignments = assignments
        self._state = state
        self._broker_starts = bool(base.options.get("broker_starts"))
        self._life_signs = LifeSigns(float(base.options.get("silent_s", SILENT_S)))
        self._owners = Owners()
        self._live: dict[str, Incarnation] = {}
        self._assigned: set[str] = set()
        self._unpublished: set[str] = set()
        self._publish_at = 0.0
        self._watch_at = 0.0

    def run(self, bootstrap: Bootstrap, stop: threading.Event) -> None:
        """Start everything, watch it until `stop`, end everything."""
        try:
            if not self._broker_starts:
                bootstrap.demand_broker()
            _LOG.info("starting %d processes", len(self._slots))
            for slot in self._slots:  # they import while we see to the topics
                self._start(slot)
            if self._broker_starts:
                bootstrap.wait_for_broker(stop)
                _LOG.info("the broker serves")
            bootstrap.demand_topics()
            bootstrap.demand_own_log()
            self._assignments.open()
            _LOG.info("the topics are there")
            self._state.update(self._processes(), topics=True)
            self._assign("gate")
            bootstrap.demand_control(stop, self._start_again_what_died)
            _LOG.info("the policy is in force")
            self._assign(*{s.stage for s in self._slots if s.shards and s.stage != "gate"})
            while not stop.is_set():
                self._tick(bootstrap)
                stop.wait(TICK_S)
        except Exception as e:
            self._state.fail(str(e) if isinstance(e, RivergateError) else f"a fault of rivergate: {e!r}")
            self._stop_all()
            raise
        self._stop_all()
        self._state.clear()

    def _tick(self, bootstrap: Bootstrap) -> None:
        self._start_again_what_died()
        for stage, shard in commands.take_resumes(self._base.data):
            if self._owners.resume(stage, shard):
                self._assign(stage)
        self._patiently(self._publish)
        self._state.update(self._processes())
        self._patiently(lambda: self._state.update(self._processes(), ready=bootstrap.is_ready()))
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + WATCH_S
            self._patiently(self._assignments.demand_ours)
            self._patiently(lambda: self._look_at_shards(bootstrap))
            self._end_hung_workers(bootstrap)

    def _look_at_shards(self, bootstrap: Bootstrap) -> None:
        reports = bootstrap.reports()
        self._life_signs.hear(reports)
        named = {f"{stage}/{shard}": report for (stage, shard), report in reports.items()}
        parked = {name: r.reason for name, r in named.items() if r.state == "parked"}
        recovering = {name: r.share for name, r in named.items() if r.share is not None}
        self._state.update(self._processes(), parked=parked, recovering=recovering)

    def _end_hung_workers(self, bootstrap: Bootstrap) -> None:
        """A worker that says nothing any more is killed, and started again like any that died."""
        alive = {i.name: i for i in self._live.values() if i.running.alive()}
        signs = self._life_signs
        for name in signs.silent(alive):
            try:
                bootstrap.demand_broker()
            except RivergateError:
                signs.nobody_can_be_heard()
                return
            if signs.is_given_up(name):
                _LOG.warning("%s has said nothing for %.0f s: killed", name, signs.limit_s)
                alive[name].running.kill_hung()
                signs.forget(name)

    def _patiently(self, step: Callable[[], None]) -> None:
        """What needs the broker is tried again while it is away; the processes run on and wait likewise."""
        try:
            step()
        except RivergateError as e:
            if not e.retryable:
                raise
            _LOG.warning("waits and tries again: %s", e.what)
            self._publish_at = time.monotonic() + RETRY_S

    def _start_again_what_died(self) -> None:
        for incarnation in [i for i in self._live.values() if not i.running.alive()]:
            self._restart(incarnation)

    def _start(self, slot: Slot) -> None:
        before = self._live.get(slot.name)
        name = f"{slot.name}-{uuid.uuid4().hex[:8]}"
        spec = ProcessSpec(
            role=slot.role,
            stage=slot.stage,
            incarnation=name,
            app=self._base.app,
            bootstrap=self._base.bootstrap,
            data_dir=self._base.data_dir,
            security=self._base.security,
            options=self._base.options | {"slot": slot.name, "log": slot.name},
        )
        self._owners.give(slot, name)
        running = self._host_of[slot.under_ray].start(spec)
        deaths = before.quick_deaths if before else 0
        self._live[slot.name] = Incarnation(slot, running, name, time.monotonic(), deaths, first=before is None)
        self._state.update(self._processes())

    def _restart(self, dead: Incarnation) -> None:
        now = time.monotonic()
        if dead.start_at is None:
            ending = take_ending(self._base.data, dead.name)
            if ending is not None and ending[1] and dead.first:
                raise ending[0]
            quick = now - dead.started < QUICK_DEATH_S
            dead.quick_deaths = dead.quick_deaths + 1 if quick else 0
            dead.start_at = now + (min(0.25 * 2**dead.quick_deaths, MAX_BACKOFF_S) if dead.quick_deaths > 1 else 0.0)
            why = ending[0].what if ending else dead.running.why_ended()
            _LOG.warning("%s ended (%s): it starts again", dead.name, why)
        if now >= dead.start_at:
            self._start(dead.slot)
            if dead.slot.stage in self._assigned:
                self._assign(dead.slot.stage)

    def _assign(self, *stages: str) -> None:
        found = {s for s in stages if s in self._owners.stages}
        self._assigned |= found
        self._unpublished |= found
        self._patiently(self._publish)

    def _publish(self) -> None:
        if self._unpublished and time.monotonic() >= self._publish_at:
            self._assignments.publish({s: self._owners.stages[s] for s in self._unpublished}, wall_clock())
            self._unpublished.clear()

    def _processes(self) -> list[StageProcess]:
        return [
            StageProcess(i.slot.name, i.slot.stage, i.name, i.running.pid, i.running.alive())
            for i in self._live.values()
        ]

    def _stop_all(self) -> None:
        """Stages first, then the services that read what these have written."""
        deadline = time.monotonic() + STOP_S
        for services in (False, True):
            group = [i for i in self._live.values() if bool(i.slot.shards) is not services]
            for i in group:
                i.running.ask_to_stop()
            while time.monotonic() < deadline and any(i.running.alive() for i in group):
                time.sleep(0.02)
        for i in self._live.values():
            if i.running.alive():
                _LOG.warning("%s didn't drain within %.1f s: killed", i.name, STOP_S)
                i.running.kill()
        for host in self._host_of.values():
            host.close()
