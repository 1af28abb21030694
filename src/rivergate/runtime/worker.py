"""A worker: one process (or Ray actor) that runs the shards of one stage which the supervisor gave it."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rivergate.domain.errors import BadInput, ConfigError, Fenced, RivergateError, ShardParked
from rivergate.runtime.supervision.recovering import RecoveryReports

_LOG = logging.getLogger("rivergate.runtime")

FAILURES_A_MINUTE = 5
FOLLOW_S = 0.05
REPORT_S = 2.0
JOIN_S = 20.0
HANGS_S = 60.0
FENCED_S = 1.0


class Driver(Protocol):
    """What transactor and performer have in common. One thread calls it."""

    def open(self) -> None:
        """Take the shard over and bring its state up."""

    def step(self) -> bool:
        """Do at most one commit; False where there was nothing to do."""

    def drain(self) -> None:
        """Finish in good order."""

    def close(self) -> None:
        """Give the shard up."""


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What a shard is doing: `starting`, `running` (with what it waits for), `parked` (with the reason), `fenced`, `stopped`.
    `share` is how much of its recovery is done, 0 to 1, while it starts; while it runs, how much of the history that it catches up with.
    """

    stage: str
    shard: int
    worker: str
    state: str
    reason: str = ""
    share: float | None = None


class Aside(Protocol):
    """What is done beside the shards' work. Each shard's thread calls it."""

    def answer(self, shard: int, driver: Driver) -> None:
        """Between two steps of the shard's driver."""

    def forget(self, shard: int, driver: Driver) -> None:
        """The driver has ended, and is of no use to anybody; also where it never got to a step."""


class Nothing:
    """Implements `Aside`: nothing is to be done."""

    def answer(self, shard: int, driver: Driver) -> None:
        """See `Aside.answer`."""

    def forget(self, shard: int, driver: Driver) -> None:
        """See `Aside.forget`."""


MakeDriver = Callable[[int, RecoveryReports, Callable[[], int]], Driver]
"""Makes the driver of a shard, which tells how far its recovery is, and how far it has caught up with history. It may ask
how many shards the worker has now."""


class Assignments(Protocol):
    """Who owns which shard, as the supervisor wrote it. One thread."""

    def shards_of(self, stage: str, worker: str) -> Mapping[int, int]:
        """Shards that the newest assignment of the stage gives this worker, having read what is new.

        The number beside a shard is the attempt: when it grows, a shard that has parked starts again.
        """

    def parked(self, stage: str) -> Mapping[int, str]:
        """Shards of the stage that an operator has parked, and why, as of the last call of `shards_of`."""


class ShardThread(threading.Thread):
    """Runs one shard until it is told to stop, is fenced, or parks."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Driver],
        tell: Callable[[str, str], None],
        between: Callable[[Driver], None],
        forget: Callable[[Driver], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._make = make
        self._tell = tell
        self._between = between
        self._forget = forget
        self._stop_asked = threading.Event()
        self.ended = ""
        """The state that it ended in and has told: `parked`, `fenced` or `stopped`."""
        self.ended_at = 0.0
        """When that was, or when something tore it down; monotonic."""
        self._step_began: float | None = None

    @property
    def in_one_step_s(self) -> float:
        """For how long it has been in the step at hand, or in its end, in seconds; 0 between steps."""
        began = self._step_began
        return 0.0 if began is None else time.monotonic() - began

    def ask_to_stop(self) -> None:
        """Ask it to stop after the batch at hand, and to drain."""
        self._stop_asked.set()

    def run(self) -> None:
        """Open, step, and try again after failures; the same failure again and again parks the shard."""
        try:
            self._run_on()
        finally:
            self.ended_at = time.monotonic()

    def _run_on(self) -> None:
        failures: list[float] = []
        while not self._stop_asked.is_set():
            try:
                self._run_once()
            except Fenced as e:
                _LOG.warning("%s: %s", self.name, e.what)
                self._end("fenced", e.what)
                return
            except (ShardParked, BadInput, ConfigError) as e:  # nothing changes by trying again
                _LOG.error("%s is parked: %s", self.name, e)
                self._end("parked", str(e))
                return
            except BaseException as e:  # noqa: BLE001 - whatever it is, a `sys.exit()` too: someone has to hear of it
                _LOG.error("%s failed: %s", self.name, traceback.format_exc())
                now = time.monotonic()
                failures = [t for t in failures if now - t < 60.0] + [now]
                away = isinstance(e, RivergateError) and e.retryable
                what = str(e) if isinstance(e, Exception) else repr(e)
                if len(failures) > FAILURES_A_MINUTE and not away:
                    self._end("parked", f"failed {len(failures)} times within a minute, the last time with: {what}")
                    return
                self._tell("starting", f"tries again after: {what}")
                self._stop_asked.wait(min(0.2 * 2 ** len(failures), 5.0))
        self._end("stopped", "")

    def _end(self, state: str, why: str) -> None:
        self._tell(state, why)
        self.ended = state

    def _run_once(self) -> None:
        self._tell("starting", "")
        driver = self._make()
        try:
            driver.open()
            self._tell("running", "")
            while not self._stop_asked.is_set():
                self._step_began = time.monotonic()
                driver.step()
                self._step_began = None
                self._between(driver)
            self._step_began = time.monotonic()
            driver.drain()
        finally:
            self._step_began = time.monotonic()  # closing waits for what an effector is doing
            self._forget(driver)
            driver.close()
            self._step_began = None


class Worker:
    """Follows the assignments and keeps one thread for each shard that is this worker's.

    `run` belongs to one thread and returns once `stop` is set and every shard has drained.
    """

    def __init__(
        self,
        stage: str,
        name: str,
        assignments: Assignments,
        make_driver: MakeDriver,
        report: Callable[[ShardReport], None],
        aside: Aside | None = None,
    ) -> None:
        self._stage = stage
        self._name = name
        self._assignments = assignments
        self._make_driver = make_driver
        self._report = report
        self._aside = aside or Nothing()
        self._threads: dict[tuple[int, int], ShardThread] = {}
        self._newest: dict[int, ShardThread] = {}
        self._leaving: dict[int, tuple[ShardThread, float]] = {}
        self._parked: dict[int, str] = {}
        self._reports: dict[int, ShardReport] = {}
        self._lock = threading.Lock()

    @property
    def reports(self) -> Mapping[int, ShardReport]:
        """The newest report of each shard. Any thread."""
        with self._lock:
            return dict(self._reports)

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set."""
        reported = time.monotonic()
        while not stop.is_set():
            try:
                self._follow()
            except RivergateError as e:
                if not e.retryable:
                    raise
                _LOG.warning("assignments can't be read, so what is ours stays ours: %s", e.what)
            if time.monotonic() - reported > REPORT_S:
                reported = time.monotonic()
                self._report_all()
            stop.wait(FOLLOW_S)
        leaving = [*self._threads.values(), *(thread for thread, _ in self._leaving.values())]
        for thread in leaving:
            thread.ask_to_stop()
        for thread in leaving:
            thread.join(JOIN_S)

    def _report_all(self) -> None:
        """Of shards that left, somebody else is telling by now."""
        threads = {shard: thread for (shard, _), thread in self._threads.items()}
        for report in self.reports.values():
            thread = threads.get(report.shard)
            if thread is not None:
                self._report(_with_what_hangs(report, thread.in_one_step_s))
            elif report.shard in self._parked:
                self._report(report)

    def _follow(self) -> None:
        given = self._assignments.shards_of(self._stage, self._name)
        parked = {s: why for s, why in self._assignments.parked(self._stage).items() if s in given}
        wanted = {(shard, attempt) for shard, attempt in given.items() if shard not in parked}
        for gone in self._threads.keys() - wanted:
            thread = self._threads.pop(gone)
            thread.ask_to_stop()
            self._leaving[gone[0]] = (thread, time.monotonic() + JOIN_S)
        for shard, attempt in wanted - self._threads.keys():
            if not self._still_leaving(shard):
                self._start(shard, attempt)
        for key in wanted:
            mine = self._threads.get(key)
            if mine is not None and _may_come_back(mine):
                self._start(*key)
        self._tell_parked(parked)

    def _tell_parked(self, parked: Mapping[int, str]) -> None:
        """Once a shard that an operator has parked has drained, it is reported as such."""
        self._parked = {s: why for s, why in self._parked.items() if s in parked}
        for shard, why in parked.items():
            thread, _ = self._leaving.get(shard, (None, 0.0))
            if self._parked.get(shard) != why and (thread is None or not thread.is_alive()):
                self._parked[shard] = why
                self._tell(shard, "parked", why)

    def _still_leaving(self, shard: int) -> bool:
        """Whether the thread that had the shard is given time to end; one that hangs is fenced by its successor."""
        thread, until = self._leaving.get(shard, (None, 0.0))
        if thread is not None and thread.is_alive() and time.monotonic() < until:
            return True
        self._leaving.pop(shard, None)
        return False

    def _start(self, shard: int, attempt: int) -> None:
        def its(tell: Callable[..., None]) -> Callable[..., None]:
            """What another thread has taken over is no longer this one's to speak of: a step that hung may come back late."""

            def said(*words: Any) -> None:
                if self._newest.get(shard) is thread:
                    tell(shard, *words)

            return said

        progress = RecoveryReports(
            its(self._tell_recovery),
            tell_history=its(lambda number, how_far, share: self._tell(number, "running", how_far, share)),
            waits=its(self._note),
        )
        thread = ShardThread(
            f"{self._stage}/{shard}",
            lambda: self._make_driver(shard, progress, lambda: len(self._threads)),
            its(self._tell),
            lambda driver: self._aside.answer(shard, driver),
            lambda driver: self._aside.forget(shard, driver),
        )
        self._threads[shard, attempt] = self._newest[shard] = thread
        thread.start()

    def _tell_recovery(self, shard: int, how_far: str, share: float | None) -> None:
        """At a start; a running shard that rebuilds its state after a failed commit goes on running."""
        if self.reports[shard].state == "starting":
            self._tell(shard, "starting", how_far, share)

    def _note(self, shard: int, why: str) -> None:
        """Say beside a running shard what it waits for; the next regular report tells it."""
        with self._lock:
            if self._reports[shard].state == "running":
                self._reports[shard] = replace(self._reports[shard], reason=why)

    def _tell(self, shard: int, state: str, reason: str, share: float | None = None) -> None:
        _LOG.info("%s/%d: %s %s", self._stage, shard, state, reason)
        report = ShardReport(self._stage, shard, self._name, state, reason, share)
        with self._lock:
            self._reports[shard] = report
        self._report(report)


def _with_what_hangs(report: ShardReport, in_one_step_s: float) -> ShardReport:
    """A shard that runs, and gets nowhere: its agent's code doesn't return, or the broker doesn't answer."""
    if report.state != "running" or in_one_step_s < HANGS_S:
        return report
    return replace(report, reason=f"has been in one step for {in_one_step_s:.0f} s")


def _may_come_back(thread: ShardThread) -> bool:
    """Whether a shard whose thread has ended, and that the assignments still give us, may be opened again.

    One that was fenced may: the broker fences too, when a transaction outlasts its timeout, as a stopped or swapped-out
    process finds. Had another owner done it, the assignments would have come to name that one by now. And so may one
    that ended without a word: else it would be reported as running for ever.
    """
    return thread.ended in {"fenced", ""} and not thread.is_alive() and time.monotonic() - thread.ended_at > FENCED_S
