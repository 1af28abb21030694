"""The demo as a whole: an app that runs, telemetry that is played, reviews that are answered, and its report."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivergate.demos.shuttle.feed import Feed, play_in_thread
from rivergate.demos.shuttle.observer import Observer
from rivergate.demos.shuttle.plan import Plan
from rivergate.demos.shuttle.report import report
from rivergate.demos.shuttle.reviewer import NAME, ScriptedReviewer, demand_credentials
from rivergate.demos.shuttle.telemetry import ShuttleTelemetry
from rivergate.runtime.replaying import replay_in_own_process
from rivergate.runtime.session import RunOptions, Session, Tell, running, unheard
from rivergate.runtime.spec import AppRef

APP = "rivergate.demos.shuttle.app:make_app"
SETTLE_S = 300.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How to run the demo. `rate` is in readings a second, 0 for as fast as it goes."""

    data_dir: Path
    app: str = "shuttle"
    partitions: int = 4
    bootstrap: str | None = None
    host: str = "ray"
    workers: int = 1
    seed: int = 7
    events: int = 5000
    rate: float = 0.0
    otlp: str | None = None
    review_port: int = 0

    def run_options(self, reviewer: str | None = None) -> RunOptions:
        """What the runtime is told."""
        return RunOptions(
            app=AppRef(APP, self.app, self.partitions),
            data_dir=self.data_dir,
            bootstrap=self.bootstrap,
            host=self.host,
            workers=self.workers,
            otlp=self.otlp,
            review_port=self.review_port,
            extra={} if reviewer is None else {"reviewer_name": reviewer},
        )


def run_to_the_end(options: DemoOptions, tell: Tell = unheard) -> dict[str, Any]:
    """Play `options.events` readings, have the script answer the reviews, wait until all is at rest, and report.

    Raises `RivergateError` where it doesn't come to rest.
    """
    run_options = options.run_options(NAME)
    with running(run_options, tell) as session:
        observer = Observer(session.bootstrap, options.app)
        before = count_before(observer)
        stop = threading.Event()
        reviewer = _start_reviewer(session, stop)
        tell("playing the telemetry", None)
        started = time.monotonic()
        feed = Feed(session.bootstrap, options.app)
        plan = Plan(options.seed, options.partitions, start=before, count=options.events)
        feeding = play_in_thread(feed, plan, ShuttleTelemetry(), options.rate, stop)
        try:
            wanted = before + options.events
            observer.wait_for(lambda t: t.processed >= wanted, SETTLE_S, session.demand_alive)
            seconds = time.monotonic() - started
            feeding.join(SETTLE_S)
            tell("waiting until all is at rest", None)
            observer.wait_for(lambda t: t.at_rest(), SETTLE_S, session.demand_alive)
        finally:
            stop.set()
            reviewer.join(10.0)
        session.stop()
        tell("replaying every shard in a process of its own", None)
        replay = replay_in_own_process(run_options.supervisor(session.bootstrap))
        observer.read(1.0)
        observer.close()
        broker = "given" if options.bootstrap else "local"
        return report(observer.tally, replay, host=options.host, broker=broker, seconds=seconds)


def count_before(observer: Observer) -> int:
    """Readings that are on the log from earlier runs: the telemetry goes on after them, so that no id repeats."""
    while observer.read(1.0):
        pass
    return observer.tally.events


def _start_reviewer(session: Session, stop: threading.Event) -> threading.Thread:
    script = ScriptedReviewer(*demand_credentials(session.data.token_file))
    thread = threading.Thread(target=script.run, args=(stop,), name=NAME, daemon=True)
    thread.start()
    return thread
