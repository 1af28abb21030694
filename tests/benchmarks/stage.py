"""One measured process: `python -m tests.benchmarks.stage JSON`, ours, the bare loop, or a replay of ours.

It writes a line of JSON when it is ready and one when it has come to the end of its inputs, or when stdin closes.
"""

from __future__ import annotations

import cProfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
from tests.benchmarks import bare, by_hand, telling
from tests.benchmarks.telling import Clock, tell

MB = 1_000_000


def main() -> None:
    """Run what the argument describes."""
    job = telling.job()
    stop = telling.stop_with_stdin()
    profile = cProfile.Profile() if job.get("profile") else None
    found = RUNS[job["run"]](job, stop, profile)
    tell({**found, "cpu_s": time.process_time()})
    if profile is not None:
        profile.dump_stats(job["profile"])


def ours(job: dict[str, Any], stop: threading.Event, profile: cProfile.Profile | None) -> dict[str, Any]:
    """A stage exactly as a worker of the runtime runs it."""
    from rivergate.kernel.tools import alone
    from rivergate.kernel.transactor import Transactor
    from rivergate.runtime.garbage import collect_rarely
    from rivergate.runtime.spec import ProcessSpec
    from rivergate.runtime.stages import driver_maker
    from rivergate.runtime.supervision.recovering import RecoveryReports, unheard
    from rivergate.runtime.turns import take_short_turns

    driver = driver_maker(ProcessSpec.from_json(job["spec"]))(0, RecoveryReports(unheard), alone)
    assert isinstance(driver, Transactor)
    collect_rarely()
    take_short_turns()
    driver.open()
    first = driver.standing.seq
    first_input = next(iter(job["inputs"]))
    ends = {(t, 0): end for t, end in job["inputs"].items() if end}
    clock = Clock()

    def stands(step: str = "begin") -> None:
        if job["told"] and step == "begin":  # what was in flight has landed
            tell({"at": driver.standing.positions.get((first_input, 0), 0)})

    driver._tools = replace(driver._tools, hook=stands)
    tell({"ready": True})
    clock.start()
    if profile is not None:
        profile.enable()
    while not stop.is_set():
        driver.step()
        stands()
        positions = driver.standing.positions
        if all(positions.get(tp, 0) == end for tp, end in ends.items()):
            break
    figures = clock.figures()
    if profile is not None:
        profile.disable()
    snapshot = driver.standing.snapshot
    found = figures | {
        "commits": driver.standing.seq - first,
        "snapshot_after": None if snapshot is None else snapshot.seq,
        "learned": getattr(getattr(getattr(driver.fold, "state", None), "agent", None), "learned", 0),
    }
    driver.close()
    return found


def theirs(job: dict[str, Any], stop: threading.Event, profile: cProfile.Profile | None) -> dict[str, Any]:
    """The bare loop; `uss_mb` is what its process alone holds in memory at the end, in MB."""
    counts: dict[str, int] = {}
    handlers: dict[str, Callable[[], bare.Handle]] = {
        "passing": bare.passing,
        "learning": lambda: bare.learning(by_hand.logistic_regression(), counts),
        "growing": lambda: bare.learning(by_hand.adaptive_tree(), counts),
        "asking": bare.asking,
        "judging": bare.judging,
    }
    handle = handlers[job["stage"]]()
    loop = bare.Loop(job)
    if job["told"]:
        loop.committed = lambda at: tell({"at": at})

    def ready() -> None:
        tell({"ready": True})
        if profile is not None:
            profile.enable()

    figures = loop.run(handle, ready, stop.is_set)
    if profile is not None:
        profile.disable()
    return {**figures, "commits": loop.commits, **counts, "uss_mb": psutil.Process().memory_full_info().uss / MB}


def replay(job: dict[str, Any], _stop: threading.Event, profile: cProfile.Profile | None) -> dict[str, Any]:
    """What `rivergate replay` does with a shard, from nothing to its newest commit."""
    from rivergate.kernel.replay import replay_shard
    from rivergate.runtime.garbage import FAR, collect_rarely
    from rivergate.runtime.replay.recorded_app import RecordedApp
    from rivergate.runtime.spec import ProcessSpec

    collect_rarely(FAR)
    clock = Clock()
    with RecordedApp(ProcessSpec.from_json(job["spec"])) as recorded:
        past = recorded.past(job["stage"], 0)
        tell({"ready": True})
        clock.start()
        if profile is not None:
            profile.enable()
        found, _ = replay_shard(past.spec, recorded.archive, past.make_fold, past.snapshots)
        figures = clock.figures()
        if profile is not None:
            profile.disable()
    return figures | {"commits": found.commits, "difference": found.difference}


RUNS = {"ours": ours, "bare": theirs, "replay": replay}


if __name__ == "__main__":
    main()
