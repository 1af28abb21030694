"""One round, from the app's start to what the checks found."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.app import PARTITIONS
from tests.chaos.app.target import ASKED, DEEDS, TARGET, Ledger
from tests.chaos.checks import judge
from tests.chaos.checks.world import World
from tests.chaos.cluster import Cluster
from tests.chaos.feeder import Feeder
from tests.chaos.findings import Found, Kind
from tests.chaos.inside.arming import PLANT
from tests.chaos.inside.orders import folder_of
from tests.chaos.plan import RoundPlan
from tests.chaos.progress import Progress
from tests.chaos.ray_nodes import RayNodes
from tests.chaos.readers import Reader
from tests.chaos.recovery import recoveries
from tests.chaos.reviewer import Reviewer
from tests.chaos.running_app import RunningApp
from tests.chaos.strikes import ALL as STRIKES
from tests.chaos.strikes.arena import Arena
from tests.chaos.strikes.moves import refusals
from tests.checker.line import Partition
from tests.checker.reading import gather

from rivergate.runtime import keys

CALM_S = 0.3
LOOK_S = 0.05
READER_SETTINGS = {"first": {}, "second": {"fetch.message.max.bytes": 4_000, "queued.min.messages": 100}}
"""Two readers of committed data; the second takes small bites, so that its fetches end elsewhere."""


@dataclass
class Report:
    """What came of a round. `recoveries` are (fault, seconds)."""

    plan: RoundPlan
    app: str
    found: list[Found] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    actions: int = 0
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)


class Round:
    """Plays one plan on a running cluster, in a folder of its own, which it deletes if everything held."""

    def __init__(self, plan: RoundPlan, cluster: Cluster, folder: Path, name: str) -> None:
        self.plan = plan
        self.cluster = cluster
        self.folder = folder
        self.name = name
        app = RunningApp(
            name,
            folder / "data",
            cluster.for_app,
            host=plan.host,
            workers=plan.workers,
            extra={"limits": plan.limits, "silent_s": plan.silent_s},
        )
        self.progress = Progress(name)
        self.feeder = Feeder(cluster.bootstrap, name, plan.seed, plan.events, plan.rate)
        ledger = Ledger(app.data.root / TARGET)
        self.reviewer = Reviewer(lambda: self.arena.app.data.token_file, ledger.holds)
        draw = Random(f"strikes/{plan.seed}")
        self.arena = Arena(app, cluster, self.progress, draw)
        self.report = Report(plan, name)

    def play(self) -> Report:
        """All of it. Raises only what is a fault of the harness or of the machine."""
        began = time.monotonic()
        with ExitStack() as stack:
            self._start(stack)
            readers = self._read(stack)
            self.reviewer.start()
            stack.callback(self.reviewer.stop)
            self.feeder.start()
            stack.callback(self.feeder.stop)
            self._strike()
            self.feeder.join()
            self._settle(readers)
            self.arena.app.stop()
            self.report.found += self._judge(readers)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _read(self, stack: ExitStack) -> dict[str, Reader]:
        partitions = self.cluster.partitions_of(self.name)
        readers = {}
        for name, settings in READER_SETTINGS.items():
            take = None if readers else self.progress.take
            readers[name] = Reader(self.cluster.bootstrap, partitions, name, take, settings)
            readers[name].start()
            stack.callback(readers[name].stop)
        return readers

    def _start(self, stack: ExitStack) -> None:
        app = self.arena.app
        if self.plan.plant:
            folder = folder_of(app.data.root)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PLANT).write_text(self.plan.plant)
        if self.plan.needs_nodes:
            nodes = self.arena.nodes = stack.enter_context(RayNodes())
            app.use_ray(nodes.address)
        stack.callback(lambda: [other.end() for other in app.all_of_it])
        app.start()
        app.wait_until_ready()
        app.wait_until_warm()

    def _strike(self) -> None:
        """Strike as planned; a strike that takes its time delays the next."""
        began = time.monotonic()
        for strike in self.plan.strikes:
            time.sleep(max(0.0, began + strike.at_s - time.monotonic()))
            self.report.told.append(f"{time.monotonic() - began:5.1f} s {strike.fault}")
            STRIKES[strike.fault](self.arena, strike.fault)
            self.report.struck[strike.fault] = self.report.struck.get(strike.fault, 0) + 1

    # --- the end -------------------------------------------------------------------------------------------

    def _settle(self, readers: dict[str, Reader]) -> None:
        """Wait until all that began has ended, have the shards say what they know, and wait again."""
        self.report.found += [Found(Kind.LOST, "feeder", what) for what in self.feeder.failed]
        settled = self._wait_until_calm(readers, answers=False)
        if settled:
            self.feeder.close_shards(self.plan.seed)
            settled = self._wait_until_calm(readers, answers=True)
        if not settled:
            left = self.progress.outstanding() or {"closings without an answer": 1}
            said = ", ".join(f"{n} {what}" for what, n in left.items())
            self.report.found.append(Found(Kind.LOST, "settling", f"after {self.plan.settle_s:.0f} s there are {said}"))

    def _wait_until_calm(self, readers: dict[str, Reader], *, answers: bool) -> bool:
        deadline = time.monotonic() + self.plan.settle_s
        calm_since: float | None = None
        while time.monotonic() < deadline:
            self.arena.app.keep_up()
            for reader in readers.values():
                if reader.failed:
                    raise RuntimeError(f"a reader failed: {reader.failed}")
            answered = not answers or self.progress.standings(self.plan.seed) == PARTITIONS
            if self.progress.outstanding() or not answered:
                calm_since = None
            elif calm_since is None:
                calm_since = time.monotonic()
            elif time.monotonic() - calm_since >= CALM_S:
                return True
            time.sleep(LOOK_S)
        return False

    def _judge(self, readers: dict[str, Reader]) -> Iterator[Found]:
        operator = keys.load_public(self.arena.app.data.keys, keys.OPERATOR)
        before = self.cluster.ends_of(self.name)
        evidence = gather(self.cluster.bootstrap, self.arena.app.name, settled=True, operator_key=operator)
        ends: dict[Partition, int] = {}
        for lines in evidence.lines.values():
            ends.update({(x.topic, x.partition): x.offset for x in lines})
        for name, reader in readers.items():
            if not reader.catch_up(ends):
                yield Found(Kind.LOST, "readers", f"{name} never caught up {reader.failed}")
            reader.stop()
        target = self.arena.app.data.root / TARGET
        world = World(
            evidence=evidence,
            fed=self.feeder.fed,
            mark=self.plan.seed,
            meanwhile={name: reader.saw for name, reader in readers.items()},
            deeds=[_entry(path) for path in sorted((target / DEEDS).iterdir()) if not path.name.startswith(".")],
            asked=_entries(target / ASKED),
            offsets_deleted=frozenset(self.arena.offsets_deleted),
            ends=before,
        )
        self.report.actions = len(evidence.story.actions)
        self.report.recoveries = recoveries(self.arena.hits, evidence)
        yield from (Found(Kind.LOST, "strikes", what) for what in (*self.arena.problems, *refusals(self.arena)))
        yield from judge(world)

    def clear(self) -> None:
        """Forget a round that held: its topics and its folder."""
        self.cluster.drop({t for t, _ in self.cluster.partitions_of(self.name)})
        shutil.rmtree(self.folder, ignore_errors=True)


def _entry(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _entries(path: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
