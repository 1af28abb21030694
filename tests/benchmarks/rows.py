"""The rows: what is run for each, and that every run has written all that it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from threading import Thread
from typing import Any

from tests.benchmarks.bench_app import BenchApp, Truths, feed_producer, write_reading, write_readings
from tests.benchmarks.world import LESSONS, PROPOSING, READINGS

from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names

PASSED = 200_000
LEARNT = 100_000
RATE = 1_000
WARM_UP = 1_500
TIMED = 5_000
SILENCE_S = 20.0

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
        write_readings(producer, events, topic)
        demand(f"records on {topic}", app.end_of(topic), events)


def pass_through(make: Make, *, ours: bool) -> Figures:
    """Events a second, one published per event."""
    app = make("passing")
    inputs = {READINGS: PASSED}
    with app.agent(inputs) if ours else app.bare("passing", inputs) as stage:
        found = stage.result()
    demand("copies", [v["n"] for v in app.committed(f"{app.name}-copies")], list(range(PASSED)))
    return _rates(found, PASSED, PASSED)


def river(make: Make, *, ours: bool) -> Figures:
    """Events a second with River, late labels, and one proposal in ten events; ours with the gate judging them."""
    app = make("learning")
    truths = Truths(app, LEARNT)
    inputs = {LESSONS: LEARNT, app.topic(names.LABELS): truths.total}
    if not ours:
        with app.bare("learning", inputs, truths.follow) as stage:
            found = stage.result()
    else:
        with app.gate() as gate:
            with app.agent(inputs, truths.follow) as stage:
                found = stage.result()
            behind = _await_actions(app, LEARNT // PROPOSING)
            gate.finish()
        found["gate_behind_s"] = behind
    demand("labels learnt", found["learned"], truths.total)
    proposed = [v["arguments"]["n"] for v in app.committed(app.topic(names.PROPOSALS))]
    demand("proposals", proposed, list(range(0, LEARNT, PROPOSING)))
    if ours:
        acted = [v["arguments"]["n"] for v in app.committed(app.topic(names.ACTIONS))]
        demand("actions", acted, proposed)
    return _rates(found, LEARNT, LEARNT + truths.total)


def latency(make: Make, *, ours: bool) -> Figures:
    """Milliseconds from an event's departure to its committed action in a reader's hands."""
    app = make("asking", pinned=False)  # at this rate nobody needs a core of their own
    live, proposals = f"{app.name}-live", app.topic(names.PROPOSALS)
    if ours:
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
        write_reading(producer, topic, n)
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
