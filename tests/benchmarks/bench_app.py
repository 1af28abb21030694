"""One run's app: topics, keys, control, inputs, and what a reader of committed data finds afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import orjson
from confluent_kafka import Producer
from tests.benchmarks.running import Stage
from tests.benchmarks.world import LESSONS, SOURCE

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.domain import names
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.record import Headers
from rivergate.runtime import keys
from rivergate.runtime.app import load_app
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.first_start import Bootstrap
from rivergate.runtime.paths import DataDir
from rivergate.runtime.stages import wall_clock

LINES = 64
LATE = 2_000
"""A label comes when so many later events are done with; the newest so many stay unlabelled."""
_RUNS = count()


class BenchApp:
    """An app of its own for every run, so that no run reads what another wrote."""

    def __init__(self, bootstrap: str, folder: Path, kind: str, core: int | None, profile: str = "") -> None:
        self.bootstrap = bootstrap
        self.name = f"bench-{kind}-{next(_RUNS)}"
        self.kind = kind
        self._core = core
        self._profile = profile
        self._reference = f"tests.benchmarks.world:{kind}"
        self._data = DataDir(folder / self.name).make()
        keys.ensure_keys(self._data.keys)
        app = replace(load_app(self._reference), name=self.name)
        self._start = Bootstrap(Declaration.of(app), self._data, bootstrap, ())
        self._start.demand_topics()

    # --- processes -----------------------------------------------------------------------------------------

    def agent(self, inputs: dict[str, int], heard: Callable[[int], None] | None = None) -> Stage:
        """Our agent's stage, on the core that is kept for what is measured."""
        job = self._ours("agent", names.agent_stage(self.kind), inputs, self._core)
        return Stage(job | {"profile": self._profile}, heard)

    @contextmanager
    def gate(self) -> Iterator[Stage]:
        """Our gate, with a policy in force, wherever there is room."""
        with Stage(self._ours("gate", names.GATE, {"none": -1}, None)) as stage:
            self._start.demand_control(threading.Event(), lambda: None)
            yield stage

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
        core = None if beside else self._core
        job = {"ours": False, "app": self.name, "stage": stage, "inputs": inputs, "full": full, "core": core}
        profile = "" if beside or not self._profile else f"{self._profile}.bare"
        return Stage(job | {"bootstrap": self.bootstrap, "profile": profile}, heard)

    def _ours(self, role: str, stage: str, inputs: dict[str, int], core: int | None) -> dict[str, Any]:
        return {
            "ours": True,
            "reference": self._reference,
            "app": self.name,
            "role": role,
            "stage": stage,
            "inputs": inputs,
            "core": core,
            "bootstrap": self.bootstrap,
            "data_dir": str(self._data.root),
        }

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


class Truths:
    """Writes the labels of a run, each once the event of `LATE` later is done with: late, as truth is."""

    def __init__(self, app: BenchApp, events: int) -> None:
        self._topic = app.topic(names.LABELS)
        self._producer = feed_producer(app.bootstrap)
        self._producer.list_topics(self._topic)
        self._written = 0
        self.total = events - LATE
        source, at = names.source(app.name, names.GATE), wall_clock()
        self._made = [
            (
                _label(n),
                line(n),
                [*event_headers(source, names.LABEL_V1, f"label-{n}", at), ("rg_commit", b"gate/0/0/%d" % n)],
            )
            for n in range(self.total)
        ]

    def follow(self, done: int) -> None:
        """So many events are done with."""
        for value, key, headers in self._made[self._written : max(done - LATE, 0)]:
            _produce(self._producer, self._topic, value, key, headers)
        self._written = max(self._written, min(done - LATE, self.total))
        self._producer.poll(0)


def _label(n: int) -> bytes:
    event = {"topic": LESSONS, "partition": 0, "offset": n}
    return orjson.dumps({"event_id": f"{SOURCE}#{n}", "event": event, "value": truth(sensors(n)), "source": "topic"})


def feed_producer(bootstrap: str) -> Producer:
    """A plain producer for inputs; it sends at once, since the moment of departure counts."""
    return Producer(kafka_settings.producer(bootstrap) | {"linger.ms": 0})


def write_readings(producer: Producer, events: int, topic: str) -> None:
    """Readings 0 to `events` as CloudEvents."""
    for n in range(events):
        write_reading(producer, topic, n)
    demand_written(producer)


def write_reading(producer: Producer, topic: str, n: int) -> None:
    """Reading `n`."""
    value = {"line": line(n).decode(), "n": n, "sensors": sensors(n)}
    headers = event_headers(SOURCE, "bench.reading", str(n), wall_clock())
    _produce(producer, topic, orjson.dumps(value), line(n), headers)


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


def _produce(producer: Producer, topic: str, value: bytes, key: bytes, headers: Headers) -> None:
    given: list[tuple[str, str | bytes | None]] = list(headers)
    while True:
        try:
            producer.produce(topic, value, key, 0, headers=given)
        except BufferError:
            producer.poll(0.05)
        else:
            return
