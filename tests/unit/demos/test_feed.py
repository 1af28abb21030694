from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import orjson
import pytest

from rivergate.demos.shuttle.feed import DELIVERY_S, Feeder
from rivergate.demos.shuttle.plan import Plan, Telling, Truth, event_id
from rivergate.domain import names
from rivergate.domain.errors import BrokerUnavailable
from rivergate.domain.ids import trace_id_of
from rivergate.domain.murmur2 import partition_of

ROWS: list[tuple[dict[str, Any], Any]] = [({"f1": n}, n % 10 == 0) for n in range(300)]


class Delivered:
    """A message as its delivery callback gets it."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset


class FakeProducer:
    """Keeps what is produced and delivers it when it is polled, unless it is broken."""

    def __init__(self, *, full: int = 0, broken: bool = False) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self._ends: dict[tuple[str, int], int] = {}
        self._waiting: list[tuple[Callable[..., None], int]] = []
        self._full = full
        self._broken = broken

    def produce(self, topic: str, **record: Any) -> None:
        if self._full:
            self._full -= 1
            raise BufferError
        where = topic, record["partition"]
        offset = self._ends.get(where, 0)
        self._ends[where] = offset + 1
        self.records.append((topic, record | {"offset": offset}))
        if "on_delivery" in record:
            self._waiting.append((record["on_delivery"], offset))

    def poll(self, timeout: float) -> int:
        if not self._broken:
            for callback, offset in self._waiting:
                callback(None, Delivered(offset))
            self._waiting.clear()
        return 0

    def flush(self, timeout: float) -> int:
        self.poll(0)
        return len(self._waiting)


class Stop(threading.Event):
    """Time passes where somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        self.waits += 1
        return self.is_set()


def feed(producer: FakeProducer, rate: float = 0.0, count: int = 300) -> tuple[Feeder, Stop, list[Telling | Truth]]:
    """Play a plan with this producer."""
    stop = Stop()
    steps = list(Plan(1, 4, 0, count).steps(ROWS))
    feeder = Feeder(cast("Any", producer), "plant", 4, rate, clock=lambda: stop.now)
    feeder.run(steps, stop)
    return feeder, stop, steps


def test_labels_go_to_the_partition_of_their_event() -> None:
    """A label names its event's id and position, and is a record of the wire contract on the same partition."""
    producer = FakeProducer(full=2)
    feeder, _, steps = feed(producer)
    events = {dict(r["headers"])["ce_id"].decode(): r for topic, r in producer.records if topic == "plant-telemetry"}
    labels = [r for topic, r in producer.records if topic == "plant.labels"]
    assert (feeder.told, len(events)) == (300, 300)
    assert len(labels) == sum(isinstance(s, Truth) for s in steps)
    for label in labels:
        value = orjson.loads(label["value"])
        event = events[value["event_id"].split("#")[1]]
        assert value["event"] == {
            "topic": "plant-telemetry",
            "partition": event["partition"],
            "offset": event["offset"],
        }
        assert label["partition"] == event["partition"] == partition_of(event["key"], 4)
        headers = dict(label["headers"])
        assert headers["ce_type"].decode() == names.LABEL_V1
        assert headers["traceparent"].decode().split("-")[1] == trace_id_of(value["event_id"])


def test_a_tenth_of_the_readings_bring_a_trace() -> None:
    """Some gateways trace, most don't: both ways have to work."""
    producer = FakeProducer()
    feed(producer)
    traced = sum("traceparent" in dict(r["headers"]) for topic, r in producer.records if topic == "plant-telemetry")
    assert 10 < traced < 60


def test_readings_come_at_the_rate() -> None:
    """Three hundred readings at a hundred a second take three seconds."""
    _, stop, _ = feed(FakeProducer(), rate=100.0)
    assert stop.now == pytest.approx(3.0, abs=0.1)


def test_it_waits_until_it_may_go_on() -> None:
    """Where too much lies unread it waits, asking again and again."""
    producer, stop = FakeProducer(), Stop()
    asked: list[int] = []

    def may_go_on(told: int) -> bool:
        asked.append(told)
        return len(asked) % 3 == 0

    feeder = Feeder(cast("Any", producer), "plant", 4, 0.0, may_go_on=may_go_on)
    feeder.run(Plan(1, 4, 0, 2).steps(ROWS), stop)
    assert asked == [0, 0, 0, 1, 1, 1]
    assert (feeder.told, stop.waits) == (2, 4)


def test_it_stops_when_it_is_told_to() -> None:
    """Nothing more is written after that."""
    producer = FakeProducer()
    stop = Stop()
    stop.set()
    Feeder(cast("Any", producer), "plant", 4, 0.0).run(Plan(1, 4).steps(ROWS), stop)
    assert producer.records == []


def test_a_broker_that_takes_nothing_is_said() -> None:
    """Where deliveries fail the feeder gives up with an error instead of waiting for ever."""
    producer = FakeProducer(broken=True)
    readings = [s for s in Plan(1, 4, 0, 3).steps(ROWS) if isinstance(s, Telling)]
    with pytest.raises(BrokerUnavailable, match="didn't take"):
        Feeder(cast("Any", producer), "plant", 4, 0.0).run(readings, Stop())
    times = iter(range(0, 10_000, int(DELIVERY_S)))
    feeder = Feeder(cast("Any", producer), "plant", 4, 0.0, clock=lambda: next(times))
    with pytest.raises(BrokerUnavailable, match="didn't take"):
        feeder.run([Truth(0, "press-01", value=True)], Stop())


def test_event_ids_are_rivergates() -> None:
    """Source and id make the id that labels name."""
    assert event_id(3) == "/demo/shuttle#reading-3"
