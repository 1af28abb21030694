"""The rows on workers: the whole runtime with one worker and with two, and how much memory a worker has to itself."""

from __future__ import annotations

import time

import psutil
from tests.benchmarks.bench_app import LATE, BenchApp, Truths, demand_written, feed_producer, reading, write_record
from tests.benchmarks.rows import SILENCE_S, Figures, Incomplete, Make, demand

from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.journal import CommitRecord
from rivergate.runtime.session import RunOptions, Session, running

SHARDS = 2
GROWN = 20_000
"""Events of a shard."""
MB = 1_000_000


def workers(make: Make, count: int) -> Figures:
    """Events a second with so many workers on two shards, and a worker's USS in MB at the end.

    The time goes from the first commit to the last.
    """
    app = make("growing", pinned=False)
    stages = (app.stage, names.GATE)  # whose gate has nothing to do, but is waited for at every start
    options = RunOptions(
        app.reference, app.data.root, app.bootstrap, host="local", workers=count, spares=0, stages=stages
    )
    live = f"{app.name}-live"
    truths = [Truths(app, GROWN, live, shard, SHARDS) for shard in range(SHARDS)]
    made = [reading(n) for n in range(SHARDS * GROWN)]
    journal = KafkaTail(app.bootstrap, f"{app.name}.clock")
    with running(options) as session:
        session.wait_until_ready()
        journal.seek({(names.journal_topic(app.name, app.stage), shard): 0 for shard in range(SHARDS)})
        producer = feed_producer(app.bootstrap)
        for n, record in enumerate(made):
            write_record(producer, live, *record, n % SHARDS)
        demand_written(producer)
        rate = _followed(app, journal, live, truths)
        held = _memory_mb(session, app.stage)
    journal.close()
    demand("workers", len(held), count)
    return {"events_per_s": rate, "uss_mb": max(held)}


def bare(make: Make) -> Figures:
    """USS of a bare loop in MB that has read and learnt what one shard has: the same model, imports and client."""
    app = make("growing", pinned=False)
    live = f"{app.name}-live"
    producer = feed_producer(app.bootstrap)
    for n in range(0, SHARDS * GROWN, SHARDS):
        write_record(producer, live, *reading(n))
    demand_written(producer)
    truths = Truths(app, GROWN, live, of=SHARDS)
    with app.bare(app.kind, {live: GROWN, app.topic(names.LABELS): truths.total}, truths.follow) as stage:
        found = stage.result()
    demand("labels learnt", found["learned"], truths.total)
    return {"uss_mb": found["uss_mb"]}


def _followed(app: BenchApp, journal: KafkaTail, live: str, truths: list[Truths]) -> float:
    """Follow the commits to the end, and see to the labels."""
    total = SHARDS * (GROWN + GROWN - LATE)
    read = at_first = 0
    first = heard = time.monotonic()
    while read < total:
        for record in journal.poll(1000, 0.1):
            heard = time.monotonic()
            commit = CommitRecord.from_json(record.value or b"")
            read += sum(r.end - r.start for r in commit.ranges)
            for r in commit.ranges:
                if r.topic == live:
                    truths[r.partition].follow(r.end)
            if not at_first and read:
                first, at_first = heard, read
        if time.monotonic() - heard > SILENCE_S:
            raise Incomplete(f"{total - read} of {total} records of {app.name} were not read")
    return SHARDS * GROWN * (total - at_first) / total / (heard - first)


def _memory_mb(session: Session, stage: str) -> list[float]:
    found = session.running
    pids = [p.pid for p in (found.processes if found else ()) if p.stage == stage and p.alive]
    return [psutil.Process(pid).memory_full_info().uss / MB for pid in pids]
