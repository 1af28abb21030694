"""The copy alone, on a real broker: one at a time, nothing twice, and nothing of a transaction that didn't end well."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace

import pytest
from tests.integration.rekey_app.app import app
from tests.integration.rekey_world import NEW, OLD, Feed, until

from rivergate.adapters.kafka_copy import Copy, KafkaCopier
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.domain.errors import BadInput, Fenced
from rivergate.domain.record import BY_KEY, Record
from rivergate.domain.wire import RekeyedRecord
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.rekey.copying import Copying, make_topics
from rivergate.runtime.rekey.facts import now
from rivergate.runtime.rekey.notes import noted
from rivergate.runtime.rekey.plan import Plan, plan_of


class Ground:
    """Topics of both apps, and numbers on the old ones."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        name = f"t{uuid.uuid4().hex[:8]}"
        old = replace(app(), name=f"{name}-old", partitions=OLD)
        new = replace(app(), name=f"{name}-new", partitions=NEW)
        for each in (old, new):
            make_topics(each, bootstrap)
        self.plan: Plan = plan_of(new, old.name, {})
        self.feed = Feed(bootstrap, old.name)

    def records(self, topic: str) -> list[Record]:
        """All committed records of a topic."""
        reader = KafkaReader(self.bootstrap, "test")
        try:
            return [r for tp in reader.partitions(topic) for r in reader.scan(*tp)]
        finally:
            reader.close()

    def origins(self) -> Counter[bytes | None]:
        """Where each copied number stood."""
        return Counter(r.header("rg_origin") for r in self.records(f"{self.plan.to}-numbers"))

    def note(self) -> RekeyedRecord:
        """The newest one."""
        reader = KafkaReader(self.bootstrap, "test")
        try:
            found = noted(self.plan, reader)
        finally:
            reader.close()
        assert found is not None
        return found


@pytest.fixture
def ground(kafka: LocalKafka) -> Ground:
    """With some hundred numbers."""
    made = Ground(kafka.bootstrap)
    made.feed.send(20)
    return made


class Running:
    """A copy in a thread."""

    def __init__(self, ground: Ground) -> None:
        self.stop = threading.Event()
        self.notes: list[RekeyedRecord] = []
        self.error: Exception | None = None
        self._copying = Copying(ground.plan, ground.bootstrap, "me", now, self.notes.append)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._copying.run(self.stop)
        except Exception as e:  # noqa: BLE001 - the test looks at it
            self.error = e

    def ended(self) -> bool:
        """Whether it has."""
        return not self._thread.is_alive()

    def end(self) -> None:
        """Stop it, and wait."""
        self.stop.set()
        self._thread.join(30)


def test_a_second_copy_ends_the_first_and_nothing_comes_twice(ground: Ground) -> None:
    """While events keep coming."""
    first = Running(ground)
    second = None
    try:
        until(lambda: bool(first.notes and first.notes[-1].records))
        second = Running(ground)
        until(lambda: bool(second.notes))
        ground.feed.send(20)
        until(first.ended)
        assert isinstance(first.error, Fenced)
        ground.feed.send(1)
        until(lambda: ground.origins().total() >= len(ground.feed.sent))
        until(lambda: second.notes[-1].records == 2 * len(ground.feed.sent))
    finally:
        first.end()
        if second is not None:
            second.end()
    assert second.error is None
    stood = {f"{r.topic}/{r.partition}/{r.offset}".encode() for r in ground.records(f"{ground.plan.of}-numbers")}
    assert ground.origins() == Counter(stood)
    ends = {(t, p): end for t, p, end in ground.note().ends}
    assert all(r.offset < ends[r.topic, r.partition] for r in ground.records(f"{ground.plan.to}-numbers"))


def test_of_a_transaction_that_fails_nothing_is_there(ground: Ground) -> None:
    """Neither copies nor the note; the message says what to do."""
    to = f"{ground.plan.to}-numbers"
    with KafkaCopier(ground.bootstrap, ground.plan.to, ground.plan.rekey) as copier:
        copies = [
            Copy(to, BY_KEY, b"k", value, [], time.time_ns() // 1_000_000) for value in (b"{}", os.urandom(3_000_000))
        ]
        with pytest.raises(BadInput, match="a record of 3,000,000 bytes is above the limit") as caught:
            copier.write(copies, lambda _: (b"", b"{}", []))
    assert "max_message_bytes" in caught.value.remedy
    assert ground.records(to) == []
    assert ground.records(ground.plan.rekey) == []
