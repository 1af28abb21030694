"""A review service on a real broker, with the stages around it played by the test: what they write is scripted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from tests.unit.review import kit

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.domain import names
from rivergate.domain.clock import SECOND, rfc3339
from rivergate.domain.ids import traceparent
from rivergate.domain.record import Output, Record
from rivergate.runtime import keys
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.topics import Catalogue, apply_topics
from rivergate.web.credentials import Credentials, load_credentials
from rivergate.web.process import run_review

PARTITIONS = 2
WAIT_S = 30.0


class ReviewWorld:
    """One app's topics and its review service, which `start` and `stop` run in a thread."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.app = f"review-{uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.data = DataDir(folder).make()
        keys.ensure_keys(self.data.keys)
        declared = Declaration(self.app, PARTITIONS, {}, (), (), {}, folder / "policy.yaml", (), (), {})
        declared.write(self.data.declaration_file)
        admin = KafkaAdmin(bootstrap)
        apply_topics(admin, Catalogue.load([]).resolve(self.app, PARTITIONS, {}))
        admin.close()
        self.writer = KafkaWriter(bootstrap)
        self._stop = threading.Event()
        self._thread = threading.Thread()
        self.failure: list[BaseException] = []

    def start(self) -> Credentials:
        """Run the service; returns once it answers."""
        spec = ProcessSpec(
            "review", "review", "review-test", AppRef("", self.app, PARTITIONS), self.bootstrap, str(self.data.root)
        )
        self.data.token_file.unlink(missing_ok=True)
        self._stop = threading.Event()

        def run() -> None:
            try:
                run_review(spec, self._stop)
            except BaseException as e:  # noqa: BLE001 - told to whoever waits for it
                self.failure.append(e)

        self._thread = threading.Thread(target=run, name="review-service")
        self._thread.start()
        self.until(self.data.token_file.exists)
        return load_credentials(self.data.token_file)

    def stop(self) -> None:
        """End the service, in good order."""
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()
        assert self.failure == []

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.writer.close()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert self.failure == []
            assert time.monotonic() < deadline, "it didn't come true in time"
            time.sleep(0.05)

    def write(self, name: str, ce_type: str, value: dict[str, Any]) -> None:
        """Write a record as the stage that owns the topic would."""
        partition = value.get("event", {"partition": 0})["partition"]
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(value.get("decision_id", value["proposal_id"])).encode()),
            ("ce_source", f"/rivergate/{self.app}/gate".encode()),
            ("ce_type", ce_type.encode()),
            ("ce_time", rfc3339(time.time_ns() // 1000).encode()),
            ("content-type", b"application/json"),
            ("traceparent", traceparent(kit.TRACE, "b7ad6b7169203331")),
        ]
        self.writer.send(Output(names.topic(self.app, name), partition, b"line-7", orjson.dumps(value)), headers)

    def open_review(self, n: int, left_s: int = 600, args: dict[str, Any] | None = None, **more: Any) -> str:
        """A proposal and its review, in the partition of its event; returns its id."""
        times = {
            "expires_at": rfc3339(time.time_ns() // 1000 + left_s * SECOND),
            "event": {"topic": "telemetry", "partition": n % PARTITIONS, "offset": n},
        }
        self.write(names.PROPOSALS, names.PROPOSAL_V1, kit.proposal(n, args, **more) | times)
        self.write(names.REVIEWS, names.REVIEW_OPENED_V1, kit.opened(n, args, **more) | times)
        return kit.proposal_id(n)

    def decisions(self, count: int) -> list[Record]:
        """The decisions on the log, once there are so many."""
        self.until(lambda: len(self.decisions_now()) >= count)
        return self.decisions_now()

    def decisions_now(self) -> list[Record]:
        """The decisions that are on the log now."""
        topic = names.topic(self.app, names.DECISIONS)
        reader = KafkaReader(self.bootstrap, "test")
        try:
            return [r for p in range(PARTITIONS) for r in reader.scan(topic, p)]
        finally:
            reader.close()
