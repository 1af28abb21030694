"""The processes of an app: started, started again when they die, replaced by a spare where one waits, and ended."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from rivergate.domain.errors import RivergateError, StartRefused
from rivergate.runtime.endings import take_ending
from rivergate.runtime.running import StageProcess
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.arrivals import forget_arrivals, has_arrived
from rivergate.runtime.supervision.hosts import Host, Running
from rivergate.runtime.supervision.plan import Slot
from rivergate.runtime.supervision.restarts import Starts

_LOG = logging.getLogger("rivergate.runtime")

STOP_S = 3.0
RECRUIT_DEATHS = 2
"""How often a recruit may be killed before it has arrived."""
LEAVE_S = 20.0
"""What a process gets that isn't needed any more, to end in good order."""

Took = Callable[[Slot, str], None]
"""Told that the shards of a slot are another incarnation's from now on."""


@dataclass(slots=True, eq=False)
class Incarnation:
    """A slot's present process. `starts` says how those before it went; `first` is the slot's first one; one that is `new`
    has been recruited and hasn't arrived yet.
    """

    slot: Slot
    running: Running
    name: str
    started: float
    starts: Starts = field(default_factory=Starts)
    start_at: float | None = None
    first: bool = True
    new: bool = False
    arrived: bool = False
    drains: bool = False
    """Whether a shard was taken from it, which it may still be draining."""


class Crew:
    """One thread. `host_of` maps whether Ray may host a slot to the host that does; `base` is what every process is told.

    A spare is a process of a stage that has imported everything and has no shards: when another one of its stage dies, it
    takes that one's shards, and the dead one comes back as the spare. One that has imported everything only while the dead
    one already starts again takes them then, unless that one is there first.
    """

    def __init__(self, base: ProcessSpec, host_of: Mapping[bool, Host], took: Took) -> None:
        self._base = base
        self._host_of = host_of
        self._took = took
        self._live: dict[str, Incarnation] = {}
        self._leaving: dict[str, tuple[Incarnation, float]] = {}
        self._names: set[str] = set()
        forget_arrivals(base.data)

    def start(self, slots: Iterable[Slot]) -> None:
        """Start these for the first time. Raises `StartRefused`."""
        for slot in slots:
            self._start(slot)

    def revive(self) -> None:
        """Start again what died, and give to spares what waits; where no process can be made that is tried again later.
        Raises what a process ended with if it can't even begin.
        """
        for ended in self._ended():
            if ended.start_at is None:
                self._note_end(ended)
        self._give_to_spares()
        for ended in self._ended():
            if ended.start_at is not None and time.monotonic() >= ended.start_at:
                self._start_again(ended)
        self._see_off()

    def has_losses(self) -> bool:
        """Whether a process has ended that is to be started again, and isn't waiting for that already."""
        return any(i.start_at is None for i in self._ended())

    def alive(self) -> list[str]:
        """Incarnations that run and have shards, or serve."""
        return [i.name for i in self._live.values() if i.running.alive() and not i.slot.is_spare]

    def has(self, name: str) -> bool:
        """Whether it is one of our incarnations, that runs or is the newest in its slot."""
        return any(i.name == name for i in self._all())

    def kill_hung(self, name: str) -> None:
        """Kill an incarnation that answers nothing."""
        for i in self._live.values():
            if i.name == name:
                i.running.kill_hung()

    def processes(self) -> list[StageProcess]:
        """What runs, for others to read."""
        return [
            StageProcess(i.slot.name, i.slot.stage, i.name, i.running.pid, i.running.alive(), bool(i.slot.shards))
            for i in self._all()
        ]

    # --- more and fewer ------------------------------------------------------------------------------------

    def stages(self) -> list[str]:
        """Stages that have shards."""
        return sorted({i.slot.stage for i in self._live.values() if i.slot.shards})

    def of(self, stage: str) -> list[Incarnation]:
        """A stage's present processes, spares and new ones included, oldest slots first."""
        return [i for i in self._live.values() if i.slot.stage == stage]

    def in_slot(self, slot: str) -> Incarnation:
        """The slot's present process."""
        return self._live[slot]

    def owner_of(self, stage: str, shard: int) -> Incarnation:
        """The process in the slot that has the shard."""
        return next(i for i in self.of(stage) if shard in i.slot.shards)

    def recruit(self, stage: str) -> str:
        """Start one process more of a stage, without shards; its slot, whose name was never used before. Raises
        `StartRefused`.
        """
        like = self.of(stage)[0].slot
        name = next(n for n in (f"{stage}-{k}" for k in count()) if n not in self._names)
        self._recruit(replace(like, name=name, shards=()))
        return name

    def has_arrived(self, slot: str) -> bool:
        """Whether a slot's process could take shards over. Raises `RivergateError`, what it ended with, where it can't begin."""
        recruit = self._live[slot]
        arrived = self._has_imported(recruit)
        if arrived:
            recruit.new = recruit.first = False
        if recruit.new and not recruit.running.alive():
            self._recruit_again(recruit)
        return arrived and recruit.running.alive()

    def _recruit_again(self, ended: Incarnation) -> None:
        now = time.monotonic()
        if ended.start_at is None:
            ending, unbegun = take_ending(self._base.data, ended.name), ended.running.never_began()
            ended.starts = ended.starts.after_nothing(now) if unbegun else ended.starts.after_quick_death()
            if ending is not None or ended.starts.quick_deaths > RECRUIT_DEATHS:
                raise ending[0] if ending else RivergateError(f"{ended.name} ended: {ended.running.why_ended()}")
            ended.start_at = now + (ended.starts.wait_s if unbegun else 0.0)
        if now >= ended.start_at:
            self._recruit(ended.slot)

    def _recruit(self, slot: Slot) -> None:
        self._start(slot)
        self._live[slot.name].new = True

    def move(self, stage: str, shard: int, to: str) -> None:
        """From now on the shard belongs to this slot; whoever calls it sees to the assignments."""
        before = self.owner_of(stage, shard)
        after = self._live[to]
        before.drains = True
        before.slot = replace(before.slot, shards=tuple(s for s in before.slot.shards if s != shard))
        after.slot = replace(after.slot, shards=tuple(sorted((*after.slot.shards, shard))))

    def retire(self, slot: str) -> None:
        """Have a slot's process end in good order, for good."""
        leaving = self._live.pop(slot)
        leaving.running.ask_to_stop()
        self._leaving[slot] = (leaving, time.monotonic() + LEAVE_S)

    def is_leaving(self, slot: str) -> bool:
        """Whether a retired slot's process still runs."""
        return slot in self._leaving

    def _see_off(self) -> None:
        for slot, (leaving, until) in list(self._leaving.items()):
            late = time.monotonic() > until
            if late:
                _LOG.warning("%s didn't end within %.0f s: killed", leaving.name, LEAVE_S)
            if late or not leaving.running.alive():
                leaving.running.kill()
                del self._leaving[slot]

    def _all(self) -> list[Incarnation]:
        return [*self._live.values(), *(leaving for leaving, _ in self._leaving.values())]

    # --- the end -------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End everything: spares at once, stages in good order, then the services that read what these have written."""
        deadline = time.monotonic() + STOP_S
        for i in self._all():
            if i.slot.is_spare and not i.drains:  # it may still be importing, and has nothing to drain
                i.running.kill()
        for services in (False, True):
            group = [i for i in self._all() if i.slot.is_service is services]
            for i in group:
                i.running.ask_to_stop()
            while time.monotonic() < deadline and any(i.running.alive() for i in group):
                time.sleep(0.02)
        for i in self._all():
            if i.running.alive():
                _LOG.warning("%s didn't drain within %.1f s: killed", i.name, STOP_S)
                i.running.kill()
        for host in self._host_of.values():
            host.close()

    # --- starts --------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        before = self._live.get(slot.name)
        self._names.add(slot.name)
        name = f"{slot.name}-{uuid.uuid4().hex[:8]}"
        options = self._base.options | {"slot": slot.name, "log": slot.name}
        spec = replace(self._base, role=slot.role, stage=slot.stage, incarnation=name, options=options)
        running = self._host_of[slot.under_ray].start(spec)
        starts = before.starts if before else Starts()
        self._live[slot.name] = Incarnation(slot, running, name, time.monotonic(), starts, first=before is None)
        if slot.shards:
            self._took(slot, name)

    def _ended(self) -> list[Incarnation]:
        return [i for i in self._live.values() if not i.running.alive() and not i.new]

    def _note_end(self, dead: Incarnation) -> None:
        """Settle when it starts again."""
        now = time.monotonic()
        ending = take_ending(self._base.data, dead.name)
        if ending is not None and ending[1] and dead.first:
            raise ending[0]
        unbegun = dead.running.never_began()
        dead.starts = dead.starts.after_nothing(now) if unbegun else dead.starts.after_end(dead.started, now)
        dead.start_at = now + dead.starts.wait_s
        why = ending[0].what if ending else dead.running.why_ended()
        _LOG.warning("%s %s (%s): it starts again", dead.name, "never began" if unbegun else "ended", why)

    def _start_again(self, ended: Incarnation) -> None:
        try:
            self._start(ended.slot)
        except StartRefused as e:
            ended.starts = ended.starts.after_refusal()
            ended.start_at = time.monotonic() + ended.starts.wait_s
            _LOG.warning("%s; tried again after %.2f s\n→ %s", e.what, ended.starts.wait_s, e.remedy)

    # --- spares --------------------------------------------------------------------------------------------

    def _give_to_spares(self) -> None:
        """Who can't work on its shards changes places with a spare that could. It is looked for again and again, since a
        spare may be there only after the death. Whoever has taken over is there, so nothing is given back.
        """
        for waiting in [i for i in self._live.values() if self._keeps_waiting(i)]:
            spares = (i for i in self.of(waiting.slot.stage) if i.slot.is_spare)
            spare = next((i for i in spares if self._could_take_over(i)), None)
            if spare is not None:
                spare.slot, waiting.slot = (
                    replace(spare.slot, shards=waiting.slot.shards),
                    replace(waiting.slot, shards=()),
                )
                _LOG.info("%s takes the shards of %s", spare.name, waiting.name)
                self._took(spare.slot, spare.name)

    def _keeps_waiting(self, owner: Incarnation) -> bool:
        """Whether its shards wait for it: it is dead, or starts again. With a slot's first start nothing is lost yet."""
        if owner.new or not owner.slot.shards:
            return False
        return not owner.running.alive() or not (owner.first or self._has_imported(owner))

    def _could_take_over(self, spare: Incarnation) -> bool:
        """Whether it is there and has imported: one that is still starting is no quicker than the dead one's own start, and
        may be on its way to a node that is lost.
        """
        return not spare.new and spare.running.alive() and self._has_imported(spare)

    def _has_imported(self, incarnation: Incarnation) -> bool:
        incarnation.arrived = incarnation.arrived or has_arrived(self._base.data, incarnation.name)
        return incarnation.arrived
