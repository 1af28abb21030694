"""One measured process: `python -m tests.benchmarks.stage JSON`, ours or the bare loop.

It writes a line of JSON when it is ready and one when it has come to the end of its inputs, or when stdin closes.
"""

from __future__ import annotations

import cProfile
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks import bare

from rivergate.kernel.recovery import silent
from rivergate.kernel.transactor import Transactor
from rivergate.runtime.garbage import collect_rarely
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.stages import driver_maker
from rivergate.runtime.turns import take_short_turns

BATCH = 1000


def main() -> None:
    """Run what the argument describes."""
    job = json.loads(sys.argv[1])
    if job["core"] is not None:
        os.sched_setaffinity(0, {job["core"]})
    stop = threading.Event()
    threading.Thread(target=_stop_with_stdin, args=(stop,), daemon=True).start()
    profile = cProfile.Profile() if job.get("profile") else None
    tell({**(ours if job["ours"] else theirs)(job, stop, profile), "cpu_s": time.process_time()})
    if profile is not None:
        profile.dump_stats(job["profile"])


def tell(value: dict[str, Any]) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def ours(job: dict[str, Any], stop: threading.Event, profile: cProfile.Profile | None) -> dict[str, Any]:
    """A stage exactly as a worker of the runtime runs it."""
    app = AppRef(job["reference"], job["app"], 1)
    spec = ProcessSpec(job["role"], job["stage"], "bench", app, job["bootstrap"], job["data_dir"])
    driver = driver_maker(spec)(0, silent)
    assert isinstance(driver, Transactor)
    collect_rarely()
    take_short_turns()
    driver.open()
    first = driver.standing.seq
    first_input = next(iter(job["inputs"]))
    ends = {(t, 0): end for t, end in job["inputs"].items() if end}
    tell({"ready": True})
    cpu, started = time.process_time(), time.perf_counter()
    if profile is not None:
        profile.enable()
    while not stop.is_set():
        driver.step()
        positions = driver.standing.positions
        if job["told"]:
            tell({"at": positions.get((first_input, 0), 0)})
        if all(positions.get(tp, 0) == end for tp, end in ends.items()):
            break
    seconds = time.perf_counter() - started
    if profile is not None:
        profile.disable()
    snapshot = driver.standing.snapshot
    found = {
        "seconds": seconds,
        "loop_cpu_s": time.process_time() - cpu,
        "commits": driver.standing.seq - first,
        "snapshot_after": None if snapshot is None else snapshot.seq,
        "learned": getattr(getattr(getattr(driver.fold, "state", None), "agent", None), "learned", 0),
    }
    driver.close()
    return found


def theirs(job: dict[str, Any], stop: threading.Event, profile: cProfile.Profile | None) -> dict[str, Any]:
    """The bare loop."""
    counts: dict[str, int] = {}
    handlers: dict[str, Callable[[], bare.Handle]] = {
        "passing": bare.passing,
        "learning": lambda: bare.learning(counts),
        "asking": bare.asking,
        "judging": bare.judging,
    }
    handle = handlers[job["stage"]]()
    loop = bare.Loop(job["bootstrap"], job["app"], job["stage"], job["inputs"], BATCH, full=job["full"])
    if job["told"]:
        loop.committed = lambda at: tell({"at": at})
    began = {}

    def ready() -> None:
        tell({"ready": True})
        began["cpu"] = time.process_time()
        if profile is not None:
            profile.enable()

    seconds = loop.run(handle, ready, stop.is_set)
    if profile is not None:
        profile.disable()
    return {"seconds": seconds, "loop_cpu_s": time.process_time() - began["cpu"], "commits": loop.commits, **counts}


def _stop_with_stdin(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    main()
