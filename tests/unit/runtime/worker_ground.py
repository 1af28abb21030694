"""A worker in a thread of its own, with assignments, steps and reports that a test holds in its hands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from rivergate.runtime.supervision.recovering import RecoveryReports
from rivergate.runtime.worker import Nothing, ShardReport, Worker

WAIT_S = 10.0


class Reports:
    """What shards have told, and a wait for what they will tell."""

    def __init__(self) -> None:
        self.all: list[ShardReport] = []
        self._news = threading.Condition()
        self.refused = ""

    def __call__(self, report: ShardReport) -> None:
        if self.refused and self.refused in report.reason:
            raise OSError("nobody listens")
        with self._news:
            self.all.append(report)
            self._news.notify_all()

    def wait_for(self, holds: Callable[[list[ShardReport]], bool]) -> bool:
        """Wait until it holds of what was told."""
        with self._news:
            return self._news.wait_for(lambda: holds(self.all), WAIT_S)

    def states(self, shard: int = 0) -> list[str]:
        """A shard's states in order, repeats left out."""
        found: list[str] = []
        for report in self.all:
            if report.shard == shard and (not found or found[-1] != report.state):
                found.append(report.state)
        return found


class Given:
    """Assignments that a test gives."""

    def __init__(self, *answers: Mapping[int, int] | Exception) -> None:
        self.answers = list(answers)
        self.on_purpose: dict[int, str] = {}

    def shards_of(self, stage: str, worker: str) -> Mapping[int, int]:
        """The next answer, the last one again and again."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def parked(self, stage: str) -> Mapping[int, str]:
        """What an operator has parked, as a test says it."""
        return self.on_purpose


class Driver:
    """Steps do what a test wants; idle steps wait for the end of the test."""

    def __init__(self, step: Callable[[], None], ended: threading.Event) -> None:
        self._step = step
        self._ended = ended

    def open(self) -> None:
        """Nothing to open."""

    def step(self) -> bool:
        """Do it."""
        self._step()
        return self._ended.wait(0.01)

    def drain(self) -> None:
        """Nothing to finish."""

    def close(self) -> None:
        """Nothing to close."""


class Forgetting(Nothing):
    """Notes what has ended."""

    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def forget(self, shard: int, driver: object) -> None:
        """See `Aside.forget`."""
        assert isinstance(driver, Driver)
        self.forgotten.append(shard)


class Running:
    """A worker in a thread, its reports, and its end."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.stop = threading.Event()
        self.recovers = False
        self.rebuilds = False
        self.catches_up = False
        self.rebuilt = threading.Event()
        self.aside = Forgetting()
        self._thread: threading.Thread | None = None

    def start(self, assignments: Given, *steps: Callable[[], None]) -> None:
        """Run one; the first driver gets the first step, the last step serves all that follow."""
        left = list(steps)

        def make(_: int, progress: RecoveryReports, shards: Callable[[], int]) -> Driver:
            self.shards = shards
            if self.recovers:
                progress(1, 2)
            step = left.pop(0) if len(left) > 1 else left[0]

            def rebuild() -> None:
                progress(1, 2)
                self.rebuilt.set()

            def catch_up() -> None:
                progress.history(1, 2)
                progress.history(2, 2)

            self.progress = progress
            return Driver(rebuild if self.rebuilds else catch_up if self.catches_up else step, self.stop)

        worker = Worker("agent-x", "w", assignments, make, self.reports, self.aside)
        self._thread = threading.Thread(target=worker.run, args=(self.stop,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop it."""
        self.stop.set()
        if self._thread is not None:
            self._thread.join(WAIT_S)


def raising(error: BaseException) -> Callable[[], None]:
    """A step that fails."""

    def step() -> None:
        raise error

    return step


def idle() -> None:
    """A step with nothing to do."""
