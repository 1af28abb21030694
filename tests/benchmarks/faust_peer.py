"""The peer Faust (faust-streaming), at least once: `python -m tests.benchmarks.faust_peer JSON`, in its own environment.

Used as it is quickest: events in batches as large as ours, sends that nobody waits for one by one, no table,
no leader topic, no web server. Its exactly-once is left off, which makes it no slower. The time goes from the first
event in hand, after it has joined its group, until the broker has the last copy.
"""

from __future__ import annotations

import os
from typing import Any

import faust
import orjson
from tests.benchmarks import by_hand, telling
from tests.benchmarks.by_hand import Stamps
from tests.benchmarks.telling import Clock, collect_rarely, tell

WITHIN_S = 0.1
"""How long a batch may wait until it is full, as in the bare loop."""


def main() -> None:
    """Copy the first so many events, tell, and end at once."""
    job = telling.job()
    app = faust.App(
        f"{job['app']}.faust",
        broker=f"kafka://{job['bootstrap']}",
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        broker_commit_every=job["batch"],
        producer_linger=job["producer"]["linger.ms"] / 1000,
        producer_compression_type=job["producer"]["compression.type"],
        producer_max_batch_size=job["producer"]["batch.size"],
        stream_buffer_maxsize=2 * job["batch"],
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )
    app.agent(app.topic(next(iter(job["inputs"]))))(copying(job, app))
    collect_rarely(job["garbage"])
    tell({"ready": True})
    faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()


def copying(job: dict[str, Any], app: Any) -> Any:
    """The agent."""
    left = next(iter(job["inputs"].values()))
    stamps = Stamps(job["app"], job["stage"])
    copies = app.topic(f"{job['app']}-copies")
    clock = Clock()

    async def copy(stream: Any) -> None:
        nonlocal left
        begun = 0
        async for batch in stream.take_events(job["batch"], within=WITHIN_S):
            if not begun:
                clock.start()
            stamps.start_batch(begun)
            begun += 1
            for n, event in enumerate(batch[:left]):
                value = orjson.loads(event.value)
                headers = stamps.copy_headers(event.headers["traceparent"], n)
                made = orjson.dumps(by_hand.copied(value))
                await copies.send(key=value["line"].encode(), value=made, partition=0, headers=headers)
            left -= len(batch[:left])
            if not left:
                await app.producer.flush()
                tell({**clock.figures(), "commits": begun})
                os._exit(0)

    return copy


if __name__ == "__main__":
    main()
