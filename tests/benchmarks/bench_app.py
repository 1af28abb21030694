"""One run's app: topics, keys, control, inputs, and what a reader of committed data finds afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import orjson
from confluent_kafka import Producer
from tests.benchmarks import peers
from tests.benchmarks.running import Stage
from tests.benchmarks.world import LESSONS, SOURCE

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.record import Headers
from rivergate.runtime import garbage, keys
from rivergate.runtime.app import load_app
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.stages import wall_clock
from rivergate.runtime.supervision.first_start import Bootstrap

BATCH = 1_000
LINES = 64
PEERS_OWN = ("bootstrap.servers", "group.id", "auto.offset.reset", "enable.auto.commit", "enable.partition.eof")
"""Settings of our consumers that a peer makes itself; the end of a partition would be an error to it."""
LATE = 2_000
"""A label comes when so many later events are done with; the newest so many stay unlabelled."""
_RUNS = count()

ALONE = {"limits": {"proposals_waiting": 1 << 40, "actions_waiting": 1 << 40}}
"""A stage is measured by itself: nobody reads what it writes, so it waits for nobody."""


class BenchApp:
    """An app of its own for every run, so that no run reads what another wrote."""

    def __init__(self, bootstrap: str, folder: Path, kind: str, core: int | None, profile: str = "") -> None:
        self.bootstrap = bootstrap
        self.name = f"bench-{kind}-{next(_RUNS)}"
        self.kind = kind
        self._core = core
        self._profile = profile
        self.data = DataDir(folder / self.name).make()
        keys.ensure_keys(self.data.keys)
        app = replace(load_app(f"tests.benchmarks.world:{kind}"), name=self.name)
        self.reference = AppRef(f"tests.benchmarks.world:{kind}", self.name, app.partitions)
        self._start = Bootstrap(Declaration.of(app), self.data, bootstrap, ())
        self._start.demand_topics()

    # --- processes -----------------------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """Our agent's stage."""
        return names.agent_stage(self.kind)

    def agent(self, inputs: dict[str, int], heard: Callable[[int], None] | None = None) -> Stage:
        """Our agent's stage, on the core that is kept for what is measured."""
        job = self._ours("ours", "agent", self.stage, self._core)
        return Stage(job | {"inputs": inputs, "profile": self._profile}, heard)

    @contextmanager
    def gate(self) -> Iterator[Stage]:
        """Our gate, with a policy in force, wherever there is room."""
        with Stage(self._ours("ours", "gate", names.GATE, None) | {"inputs": {"none": -1}}) as stage:
            self._start.demand_control(threading.Event(), lambda: None)
            yield stage

    def replay(self) -> Stage:
        """A replay of what our agent's stage has done, on the core that it ran on."""
        profile = f"{self._profile}.replay" if self._profile else ""
        return Stage(self._ours("replay", "replay", self.stage, self._core) | {"profile": profile})

    def bare(
        self,
        stage: str,
        inputs: dict[str, int],
        heard: Callable[[int], None] | None = None,
        *,
        full: bool = True,
        beside: bool = False,
    ) -> Stage:
        """The bare loop, pinned as ours is; one that stands for the gate (`beside`) as the gate is."""
        name = f"{self.name}.{stage}"
        clients = {
            "consumer": _plain(kafka_settings.consumer(self.bootstrap, name)),
            "producer": _plain(kafka_settings.transactional(self.bootstrap, name)),
        }
        profile = "" if beside or not self._profile else f"{self._profile}.bare"
        job = self._theirs(stage, inputs) | clients | {"run": "bare", "full": full, "profile": profile}
        return Stage(job | {"core": None} if beside else job, heard)

    def peer(self, peer: str, inputs: dict[str, int], heard: Callable[[int], None] | None = None) -> Stage:
        """A peer with an environment of its own, pinned as ours is. Raises `peers.Unavailable`."""
        clients = {
            "consumer": _plain(kafka_settings.consumer(self.bootstrap, ""), but=PEERS_OWN),
            "producer": _plain(kafka_settings.transactional(self.bootstrap, ""), but=PEERS_OWN),
        }
        job = self._theirs(self.kind, inputs) | clients
        command = [peers.python_of(peer), "-W", "ignore", "-m", f"tests.benchmarks.{peer}_peer"]
        return Stage(job, heard, command=command)

    def _theirs(self, stage: str, inputs: dict[str, int]) -> dict[str, Any]:
        return {
            "app": self.name,
            "stage": stage,
            "inputs": inputs,
            "core": self._core,
            "bootstrap": self.bootstrap,
            "batch": BATCH,
            "garbage": (garbage.YOUNG, garbage.MIDDLE, garbage.OLD),
        }

    def _ours(self, run: str, role: str, stage: str, core: int | None) -> dict[str, Any]:
        spec = ProcessSpec(role, stage, "bench", self.reference, self.bootstrap, str(self.data.root), options=ALONE)
        return {"run": run, "stage": stage, "core": core, "spec": spec.to_json()}

    # --- topics --------------------------------------------------------------------------------------------

    def topic(self, name: str) -> str:
        """A system topic of this app."""
        return names.topic(self.name, name)

    def committed(self, topic: str) -> list[dict[str, Any]]:
        """Values of all committed records of a topic."""
        reader = KafkaReader(self.bootstrap, f"{self.name}.count")
        try:
            return [orjson.loads(r.value or b"") for r in reader.scan(topic, 0)]
        finally:
            reader.close()

    def end_of(self, topic: str) -> int:
        """The offset after its last record."""
        tail = KafkaTail(self.bootstrap, f"{self.name}.end")
        try:
            return tail.watermarks((topic, 0))[1]
        finally:
            tail.close()


def _plain(settings: dict[str, Any], but: Sequence[str] = ()) -> dict[str, Any]:
    """Settings as JSON can carry them; logging is each client's own."""
    left_out = {"logger", "log_level", "transactional.id" if but else "", *but}
    return {k: v for k, v in settings.items() if k not in left_out}


class Truths:
    """Writes the labels of a run to a partition, each once the event of `LATE` later is done with: late, as truth is.

    The partition's events are every `of`-th, counted from the partition's own number.
    """

    def __init__(
        self, app: BenchApp, events: int, source_topic: str = LESSONS, partition: int = 0, of: int = 1
    ) -> None:
        self._partition = partition
        self._topic = app.topic(names.LABELS)
        self._producer = feed_producer(app.bootstrap)
        self._producer.list_topics(self._topic)
        self._written = 0
        self.total = events - LATE
        source, at = names.source(app.name, names.GATE), wall_clock()
        self._made = [
            (
                _label(n, {"topic": source_topic, "partition": partition, "offset": offset}),
                line(n),
                [*event_headers(source, names.LABEL_V1, f"label-{n}", at), ("rg_commit", b"gate/0/0/%d" % n)],
            )
            for offset in range(self.total)
            for n in (partition + offset * of,)
        ]

    def follow(self, done: int) -> None:
        """So many events are done with."""
        for value, key, headers in self._made[self._written : max(done - LATE, 0)]:
            write_record(self._producer, self._topic, value, key, headers, self._partition)
        self._written = max(self._written, min(done - LATE, self.total))
        self._producer.poll(0)


def _label(n: int, event: dict[str, Any]) -> bytes:
    return orjson.dumps({"event_id": f"{SOURCE}#{n}", "event": event, "value": truth(sensors(n)), "source": "topic"})


def feed_producer(bootstrap: str) -> Producer:
    """A plain producer for inputs; it sends at once, since the moment of departure counts."""
    return Producer(kafka_settings.producer(bootstrap) | {"linger.ms": 0})


def write_readings(producer: Producer, topic: str, events: int) -> None:
    """Readings 0 to `events` as CloudEvents."""
    for n in range(events):
        write_record(producer, topic, *reading(n))
    demand_written(producer)


def reading(n: int) -> tuple[bytes, bytes, Headers]:
    """Value, key and headers of reading `n`."""
    value = {"line": line(n).decode(), "n": n, "sensors": sensors(n)}
    return orjson.dumps(value), line(n), event_headers(SOURCE, "bench.reading", str(n), wall_clock())


def line(n: int) -> bytes:
    """Key of reading `n`."""
    return b"line-%d" % (n % LINES)


@cache
def sensors(n: int) -> dict[str, float]:
    """Nine numbers that follow from `n` alone."""
    draw = Random(n)
    return {f"s{i}": round(draw.gauss(0.0, 1.0), 4) for i in range(9)}


def truth(values: dict[str, float]) -> bool:
    """What the learner has to learn."""
    return values["s0"] + 0.5 * values["s1"] - values["s2"] > 0.8


def demand_written(producer: Producer) -> None:
    """Wait until all is durable."""
    if producer.flush(60):
        raise RuntimeError("the broker took longer than a minute to take the inputs")


def write_record(
    producer: Producer, topic: str, value: bytes, key: bytes, headers: Headers, partition: int = 0
) -> None:
    """Hand a record over, waiting for room where there is none."""
    given: list[tuple[str, str | bytes | None]] = list(headers)
    while True:
        try:
            producer.produce(topic, value, key, partition, headers=given)
        except BufferError:
            producer.poll(0.05)
        else:
            return
