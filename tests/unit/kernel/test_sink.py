from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from rivergate.domain.errors import BrokerUnavailable, ConfigError, RivergateError
from rivergate.domain.record import Record, TopicPartition
from rivergate.kernel import sink as module
from rivergate.kernel.sink import SinkDriver
from rivergate.testing.memory_log import MemoryBroker, MemoryTail


class Kept:
    """A sink in a list; it fails as often as it is told to, with nothing stored."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.at: dict[TopicPartition, int] = {}
        self.failures: list[RivergateError] = []

    def positions(self) -> Mapping[TopicPartition, int]:
        return dict(self.at)

    def write(self, records: Sequence[Record]) -> None:
        if self.failures:
            raise self.failures.pop()
        for r in records:
            self.values.append(r.value)
            self.at[r.topic, r.partition] = r.offset + 1


class Locked(Kept):
    """It is told to stop while its first write fails."""

    stop: threading.Event | None = None

    def write(self, records: Sequence[Record]) -> None:
        if self.stop is not None and not self.stop.is_set():
            self.stop.set()
            raise BrokerUnavailable("locked")
        super().write(records)


class Lying(Kept):
    """Its first write succeeds and says that it failed."""

    def write(self, records: Sequence[Record]) -> None:
        first = not self.values
        super().write(records)
        if first:
            raise BrokerUnavailable("unsure")


class Slow(MemoryTail):
    """Its first polls bring nothing, as those of a consumer that is still looking for its broker. Each takes `lasts_s`."""

    def __init__(self, broker: MemoryBroker, empty: int = 0, lasts_s: float = 0.0) -> None:
        super().__init__(broker)
        self.empty = empty
        self.lasts_s = lasts_s
        self.now = 0.0
        self.driver: SinkDriver | None = None
        self.early: list[bool] = []
        self.closed = False

    def monotonic(self) -> float:
        return self.now

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        self.now += self.lasts_s
        if self.driver is not None:
            self.early.append(self.driver.caught_up)
        if self.empty:
            self.empty -= 1
            return ()
        return super().poll(limit, 0.0)

    def close(self) -> None:
        self.closed = True


class Away(Slow):
    """Its broker answers once, and then twice not."""

    def __init__(self, broker: MemoryBroker, empty: int, lasts_s: float) -> None:
        super().__init__(broker, empty, lasts_s)
        self.answers = [True, False, False]

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        if self.answers and not self.answers.pop(0):
            raise BrokerUnavailable("away")
        return super().watermarks(partition)


def catches_up(driver: SinkDriver) -> bool:
    """Whether it does, running until then."""
    stop = threading.Event()
    thread = threading.Thread(target=driver.run, args=(stop,))
    thread.start()
    caught_up = driver.wait_until_caught_up(10.0)
    stop.set()
    thread.join(10.0)
    return caught_up


@pytest.fixture
def broker() -> MemoryBroker:
    """Topic `t` with three records."""
    made = MemoryBroker({"t": 1})
    for n in range(3):
        made.append("t", 0, b"%d" % n)
    return made


def test_a_consumer_that_is_slow_to_begin_has_not_caught_up(broker: MemoryBroker) -> None:
    """That nothing came yet doesn't mean that nothing is there."""
    tail, kept, stop = Slow(broker, empty=50), Kept(), threading.Event()
    tail.driver = SinkDriver(tail, kept, ["t"], on_batch=lambda n: stop.set())
    tail.driver.run(stop)
    assert tail.early[:51] == [False] * 51
    assert tail.driver.caught_up
    assert kept.values == [b"0", b"1", b"2"]


def test_markers_at_the_end_are_no_reason_to_wait_for_ever(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """What lies between the last record and the end of the log can't be read."""
    broker.append("t", 0, b"3", transaction=broker.transaction("id"))
    broker.end("id", commit=True)
    assert catches_up(SinkDriver(Slow(broker), Kept(), ["t"]))
    assert caplog.text == ""


def test_what_an_open_transaction_holds_back_is_waited_for_in_vain_only_so_long(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody may ever end it: the log says what is missing, and what else comes makes the wait no longer."""
    broker.append("t", 0, b"3", transaction=broker.transaction("id"))
    broker.create("busy", 1)

    def more(_: int) -> None:
        broker.append("busy", 0, b"more")

    tail = Slow(broker, lasts_s=1.0)
    assert catches_up(SinkDriver(tail, Kept(), ["t", "busy"], on_batch=more, monotonic=tail.monotonic))
    assert tail.now > 15.0
    assert "t/0 from 3 to 4" in caplog.text


def test_a_long_way_that_is_being_gone_is_no_silence(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Storing it all may take much longer than anybody waits for nothing."""
    monkeypatch.setattr(module, "BATCH", 1)
    tail = Slow(broker, lasts_s=10.0)
    tail.driver = SinkDriver(tail, Kept(), ["t"], monotonic=tail.monotonic)
    assert catches_up(tail.driver)
    assert tail.early[:3] == [False] * 3
    assert caplog.text == ""


def test_a_broker_that_is_away_is_waited_for(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long: nobody knows what it has."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    tail, kept, stop = Away(broker, empty=20, lasts_s=1.0), Kept(), threading.Event()
    tail.driver = SinkDriver(tail, kept, ["t"], on_batch=lambda n: stop.set(), monotonic=tail.monotonic)
    tail.driver.run(stop)
    assert tail.early[:21] == [False] * 21
    assert kept.values == [b"0", b"1", b"2"]


def test_a_failing_database_loses_and_doubles_nothing(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again from the position that the database has."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    kept, stop = Kept(), threading.Event()
    kept.failures = [BrokerUnavailable("away"), BrokerUnavailable("away")]
    SinkDriver(Slow(broker), kept, ["t"], on_batch=lambda n: stop.set()).run(stop)
    assert kept.values == [b"0", b"1", b"2"]


def test_a_failure_while_it_is_stopped_leaves_the_batch_to_the_next_start(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log has behind it isn't stored in its place: the position would be past it for ever."""
    monkeypatch.setattr(module, "BATCH", 2)
    kept, stop = Locked(), threading.Event()
    kept.stop = stop
    SinkDriver(Slow(broker), kept, ["t"]).run(stop)
    assert (kept.values, kept.at) == ([], {})
    stop = threading.Event()
    SinkDriver(Slow(broker), kept, ["t"], on_batch=lambda n: stop.set()).run(stop)
    assert kept.values == [b"0", b"1", b"2"]


def test_what_no_second_try_can_change_ends_it_and_frees_the_connections(broker: MemoryBroker) -> None:
    """The caller gets the error."""
    tail, kept = Slow(broker), Kept()
    kept.failures = [ConfigError("no such database")]
    with pytest.raises(ConfigError):
        SinkDriver(tail, kept, ["t"]).run(threading.Event())
    assert tail.closed


class Told:
    """Hears of trouble; stops the run once it has heard of so many changes."""

    def __init__(self, changes: int) -> None:
        self.stop = threading.Event()
        self.heard: list[str] = []
        self._changes = changes

    def __call__(self, what: str) -> None:
        self.heard.append(what)
        if len(self.heard) == self._changes:
            self.stop.set()


def test_a_broker_that_is_away_is_asked_after_and_told_of(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes from it, as from one that has nothing new: only asking tells them apart. Its answer ends the trouble."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    tail, told = Away(broker, empty=0, lasts_s=1.0), Told(3)
    driver = SinkDriver(tail, Kept(), ["t"], on_trouble=told, monotonic=tail.monotonic)
    driver.run(told.stop)
    assert driver.caught_up
    assert told.heard == ["away", "away", ""]
    assert 10.0 <= tail.now < 15.0


def test_a_full_disk_is_told_of_until_something_is_written(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the broker answers and positions can be read is no sign of room: each try would say that all is well."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    kept, told = Kept(), Told(3)
    kept.failures = [BrokerUnavailable("full"), BrokerUnavailable("full")]
    tail = Slow(broker, empty=3)
    SinkDriver(tail, kept, ["t"], on_trouble=told).run(told.stop)
    assert told.heard == ["full", "full", ""]
    assert kept.values == [b"0", b"1", b"2"]


def test_a_write_that_failed_is_no_trouble_where_nothing_is_left_to_write(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been stored all the same; nothing may come for long."""
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    told = Told(2)
    SinkDriver(Slow(broker), Lying(), ["t"], on_trouble=told).run(told.stop)
    assert told.heard == ["unsure", ""]
