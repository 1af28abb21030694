"""The feeder: plays the telemetry onto the topic at a steady rate, and tells each reading's truth later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import orjson

from rivergate.demos.shuttle.events import Reading
from rivergate.demos.shuttle.plan import SOURCE, Telling, Truth, event_id, reading_id
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BrokerUnavailable
from rivergate.domain.ids import span_id_of, trace_id_of, traceparent
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import Headers

if TYPE_CHECKING:
    from confluent_kafka import Producer

TICK_S = 0.02
DELIVERY_S = 30.0
FLUSH_S = 1.0


class Feeder:
    """Writes readings and labels. A label needs the offset of its event, so it waits for that delivery.

    `rate` is in readings a second, 0 for as fast as it goes. `may_go_on(told)` is asked before each reading and says
    whether so many told readings aren't too many. One thread.
    """

    def __init__(
        self,
        producer: Producer,
        app: str,
        partitions: int,
        rate: float,
        *,
        may_go_on: Callable[[int], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer = producer
        self._telemetry = Reading.topic_in(app)
        self._labels = names.topic(app, names.LABELS)
        self._partitions = partitions
        self._rate = rate
        self._may_go_on = may_go_on
        self._clock = clock
        self._offsets: dict[int, int] = {}
        self.told = 0

    def run(self, steps: Iterable[Telling | Truth], stop: threading.Event) -> None:
        """Play the steps until they end or `stop` is set. Raises `BrokerUnavailable` where deliveries fail."""
        began = self._clock()
        for step in steps:
            if stop.is_set():
                break
            if isinstance(step, Telling):
                self._keep_pace(began, stop)
                self._tell(step)
            else:
                self._label(step, stop)
        if self._producer.flush(FLUSH_S if stop.is_set() else DELIVERY_S) and not stop.is_set():
            raise _undelivered()

    def _keep_pace(self, began: float, stop: threading.Event) -> None:
        while not self._may_go_on(self.told) and not stop.is_set():
            self._producer.poll(0)
            stop.wait(TICK_S)
        if not self._rate:
            return
        ahead = self.told / self._rate - (self._clock() - began)
        if ahead > TICK_S:
            self._producer.poll(0)
            stop.wait(ahead)

    def _tell(self, step: Telling) -> None:
        number = step.number
        self._write(
            self._telemetry,
            step.machine,
            orjson.dumps(step.value),
            _headers(reading_id(number), Reading.event_type, _trace_of(number) if step.traced else None),
            on_delivery=lambda error, message: self._delivered(number, error, message),
        )
        self.told += 1

    def _label(self, step: Truth, stop: threading.Event) -> None:
        deadline = self._clock() + DELIVERY_S
        while step.number not in self._offsets:
            self._producer.poll(0.05)
            if stop.is_set():
                return
            if self._clock() > deadline:
                raise _undelivered()
        event = {
            "topic": self._telemetry,
            "partition": partition_of(step.machine.encode(), self._partitions),
            "offset": self._offsets.pop(step.number),
        }
        label = {"event_id": event_id(step.number), "event": event, "value": step.value, "source": "topic"}
        headers = _headers(f"label-{step.number}", names.LABEL_V1, _trace_of(step.number))
        self._write(self._labels, step.machine, orjson.dumps(label), headers)

    def _write(self, topic: str, machine: str, value: bytes, headers: Headers, **more: Any) -> None:
        record = {"value": value, "key": machine.encode(), "headers": headers, **more}
        record["partition"] = partition_of(machine.encode(), self._partitions)
        while True:
            try:
                self._producer.produce(topic, **record)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, number: int, error: object, message: Any) -> None:
        if error is None:
            self._offsets[number] = message.offset()


def _trace_of(number: int) -> bytes:
    """Trace context of a reading: that which rivergate derives for events that bring none."""
    own = event_id(number)
    return traceparent(trace_id_of(own), span_id_of(own, "gateway"))


def _headers(ce_id: str, ce_type: str, trace: bytes | None) -> Headers:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_time", rfc3339(time.time_ns() // 1000).encode()),
        ("content-type", b"application/json"),
    ]
    return headers if trace is None else [*headers, ("traceparent", trace)]


def _undelivered() -> BrokerUnavailable:
    return BrokerUnavailable(
        "the broker didn't take the demo's telemetry", remedy="see whether it still runs, and start the demo again"
    )
