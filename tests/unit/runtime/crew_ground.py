"""A crew on a host of the test's own, where processes live and die as the test has it."""

from __future__ import annotations

from pathlib import Path

from rivergate.domain.errors import StartRefused
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.supervision.arrivals import tell_arrival
from rivergate.runtime.supervision.crew import Crew
from rivergate.runtime.supervision.plan import Slot


class Process:
    """See `runtime.hosts.Running`."""

    def __init__(self) -> None:
        self.runs = True
        self.began = True

    @property
    def pid(self) -> int:
        """None of the system's."""
        return 1

    def alive(self) -> bool:
        """As the test has it."""
        return self.runs

    def why_ended(self) -> str:
        """Some words."""
        return "the test ended it"

    def never_began(self) -> bool:
        """As the test has it."""
        return not self.began

    def ask_to_stop(self) -> None:
        """It obeys."""
        self.runs = False

    def kill(self) -> None:
        """It dies."""
        self.runs = False

    def kill_hung(self) -> None:
        """It dies."""
        self.runs = False


class Ground:
    """A crew, its host, and who has which shards."""

    def __init__(self, folder: Path) -> None:
        self.data = DataDir(folder).make()
        self.processes: dict[str, Process] = {}
        self.specs: dict[str, ProcessSpec] = {}
        self.shards_of: dict[str, tuple[int, ...]] = {}
        self.arrive_at_once = True
        self.refuses = False
        self.base = ProcessSpec("supervisor", "supervisor", "supervisor", AppRef("m:a", "a", 2), "h:1", str(folder))
        self.crew = Crew(self.base, {True: self, False: self}, self._took)

    def start(self, spec: ProcessSpec) -> Process:
        """See `runtime.hosts.Host`."""
        if self.refuses:
            raise StartRefused("no process can be started", remedy="see to memory")
        self.specs[spec.incarnation] = spec
        self.processes[spec.incarnation] = Process()
        if self.arrive_at_once:
            tell_arrival(self.data, spec.incarnation)
        return self.processes[spec.incarnation]

    def close(self) -> None:
        """Nothing is held."""

    def in_slot(self, slot: Slot) -> str:
        """The present incarnation of a slot."""
        return next(p.incarnation for p in self.crew.processes() if p.slot == slot.name)

    def end(self, slot: Slot) -> str:
        """The slot's process dies, and the crew sees it; its incarnation."""
        name = self.in_slot(slot)
        self.processes[name].runs = False
        self.crew.revive()
        return name

    def _took(self, slot: Slot, name: str) -> None:
        self.shards_of = {n: s for n, s in self.shards_of.items() if s != slot.shards} | {name: slot.shards}
