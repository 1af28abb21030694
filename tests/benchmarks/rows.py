"""The rows: what is run for each, and that every run has written all that it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from threading import Thread
from typing import Any

from tests.benchmarks.bench_app import BenchApp, Truths, feed_producer, reading, write_readings, write_record
from tests.benchmarks.by_hand import PROPOSING
from tests.benchmarks.peers import FAUST
from tests.benchmarks.running import Stage
from tests.benchmarks.world import LESSONS, READINGS

from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names

PASSED = 200_000
PASSED_BY_FAUST = 20_000
"""As many take it as long as it takes the others to pass all of them."""
LEARNT = 100_000
RATE = 1_000
WARM_UP = 1_500
TIMED = 5_000
SILENCE_S = 20.0
OURS, BARE = "ours", "bare"

Make = Callable[..., BenchApp]
Figures = dict[str, float]


class Incomplete(Exception):
    """A run didn't write what it should have: its figure means nothing."""


def demand(what: str, found: Any, wanted: Any) -> None:
    """Raise `Incomplete` if they differ."""
    if found != wanted:
        raise Incomplete(f"{what}: {str(found)[:200]}, expected {str(wanted)[:200]}")


def fill(make: Make) -> None:
    """What all throughput runs read."""
    app = make("passing")
    producer = feed_producer(app.bootstrap)
    for topic, events in ((READINGS, PASSED), (LESSONS, LEARNT)):
        write_readings(producer, topic, events)
        demand(f"records on {topic}", app.end_of(topic), events)


def pass_through(make: Make, who: str) -> Figures:
    """Events a second, one published per event."""
    app = make("passing")
    events = PASSED_BY_FAUST if who == FAUST else PASSED
    with _stage(app, who, {READINGS: events}) as stage:
        found = stage.result()
    demand("copies", [v["n"] for v in app.committed(f"{app.name}-copies")], list(range(events)))
    return _rates(found, events, events)


def river(make: Make, who: str) -> Figures:
    """Events a second with River, late labels, and one proposal in ten events; ours with the gate judging them.

    What ours has done is then replayed from nothing: `replayed_per_s`.
    """
    app = make("learning")
    truths = Truths(app, LEARNT)
    inputs = {LESSONS: LEARNT, app.topic(names.LABELS): truths.total}
    if who != OURS:
        with _stage(app, who, inputs, truths.follow) as stage:
            found = stage.result()
    else:
        with app.gate() as gate:
            with app.agent(inputs, truths.follow) as stage:
                found = stage.result()
            behind = _await_actions(app, LEARNT // PROPOSING)
            gate.finish()
        found["gate_behind_s"] = behind
        found |= _replayed(app, found["commits"])
    demand("labels learnt", found["learned"], truths.total)
    proposed = [v["arguments"]["n"] for v in app.committed(app.topic(names.PROPOSALS))]
    demand("proposals", proposed, list(range(0, LEARNT, PROPOSING)))
    if who == OURS:
        acted = [v["arguments"]["n"] for v in app.committed(app.topic(names.ACTIONS))]
        demand("actions", acted, proposed)
    return _rates(found, LEARNT, LEARNT + truths.total)


def _stage(app: BenchApp, who: str, inputs: dict[str, int], heard: Callable[[int], None] | None = None) -> Stage:
    if who == OURS:
        return app.agent(inputs, heard)
    return app.bare(app.kind, inputs, heard) if who == BARE else app.peer(who, inputs, heard)


def _replayed(app: BenchApp, commits: int) -> Figures:
    with app.replay() as replay:
        found = replay.result()
    demand("commits replayed, and what differed", (found["commits"], found["difference"]), (commits, ""))
    seconds, cpu = float(found["seconds"]), float(found["loop_cpu_s"])
    return {"replayed_per_s": LEARNT / seconds, "cpu_us_per_replayed": 1e6 * cpu / LEARNT}


def latency(make: Make, who: str) -> Figures:
    """Milliseconds from an event's departure to its committed action in a reader's hands."""
    app = make("asking", pinned=False)  # at this rate nobody needs a core of their own
    live, proposals = f"{app.name}-live", app.topic(names.PROPOSALS)
    if who == OURS:
        with app.gate() as second, app.agent({live: -1}) as first:
            found = _timed(app, live)
            ended = first.finish(), second.finish()
    else:
        second = app.bare("judging", {proposals: -1}, full=False, beside=True)
        with second, app.bare("asking", {live: -1}, full=False) as first:
            found = _timed(app, live)
            ended = first.finish(), second.finish()
    cuts = quantiles(found, n=100)
    events = WARM_UP + TIMED
    cpu = {f"cpu_us_per_event_hop_{n}": 1e6 * x["loop_cpu_s"] / events for n, x in enumerate(ended, 1)}
    return {"p50": cuts[49], "p99": cuts[98]} | cpu


def _timed(app: BenchApp, live: str) -> list[float]:
    total = WARM_UP + TIMED
    sent = [0.0] * total
    came = [0.0] * total
    tail = KafkaTail(app.bootstrap, f"{app.name}.clock")
    actions = (app.topic(names.ACTIONS), 0)
    tail.seek({actions: tail.watermarks(actions)[0]})
    tail.poll(1, 0.5)
    feeder = Thread(target=_feed, args=(app.bootstrap, live, sent), daemon=True)
    feeder.start()
    missing, heard = total, time.monotonic()
    while missing:
        for r in tail.poll(1000, 0.1):
            now = heard = time.monotonic()
            n = (r.json_object or {})["arguments"]["n"]
            missing -= not came[n]
            came[n] = came[n] or now
        if time.monotonic() - heard > SILENCE_S:
            raise Incomplete(f"{missing} of {total} events have no action")
    feeder.join()
    tail.close()
    return [1e3 * (b - a) for a, b in zip(sent, came, strict=True)][WARM_UP:]


def _feed(bootstrap: str, topic: str, sent: list[float]) -> None:
    producer = feed_producer(bootstrap)
    producer.list_topics(topic)
    began = time.monotonic()
    for n in range(len(sent)):
        ahead = began + n / RATE - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        sent[n] = time.monotonic()
        write_record(producer, topic, *reading(n))
        producer.poll(0)
    producer.flush(10)


def _await_actions(app: BenchApp, wanted: int) -> float:
    """Seconds until the gate has caught up."""
    began = time.monotonic()
    tail = KafkaTail(app.bootstrap, f"{app.name}.wait")
    actions = (app.topic(names.ACTIONS), 0)
    tail.seek({actions: 0})
    found, heard = 0, began
    while found < wanted:
        got = len(tail.poll(5000, 0.1))
        found += got
        heard = time.monotonic() if got else heard
        if time.monotonic() - heard > SILENCE_S:
            raise Incomplete(f"{found} of {wanted} actions")
    tail.close()
    return time.monotonic() - began


def _rates(found: dict[str, Any], events: int, records: int) -> Figures:
    told = {k: float(v) for k, v in found.items() if isinstance(v, int | float)}
    return told | {
        "events_per_s": events / found["seconds"],
        "cpu_us_per_event": 1e6 * found["loop_cpu_s"] / events,
        "batch": records / found["commits"],
    }


def maker(bootstrap: str, folder: Path, core: int | None, profile: str) -> Make:
    """What makes the app of one run."""
    return lambda kind, pinned=True: BenchApp(bootstrap, folder, kind, core if pinned else None, profile)
