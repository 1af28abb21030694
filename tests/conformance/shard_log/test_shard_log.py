"""One suite for every log that a shard's session can stand on."""

from __future__ import annotations

import time

import pytest
from tests.conformance.shard_log.kit import Logs

from rivergate.domain.errors import Fenced, RivergateError, UnknownTopic
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import BY_KEY, Record
from rivergate.ports import Lag, ShardLog, Tail

WAIT_S = 10.0
READERS = pytest.mark.parametrize("reads", ["session", "tail"])
"""Of `Logs`: whatever polls says what it has passed."""


def opened(logs: Logs) -> ShardLog:
    """An owner of the shard that reads its input from the start."""
    log = logs.session()
    log.open()
    log.seek({(logs.source, 0): 0})
    return log


def write(log: ShardLog, logs: Logs, *values: bytes) -> None:
    """Begin, and write values and a commit record; the end is up to the test."""
    log.begin()
    for value in values:
        log.write(logs.target, 0, b"k", value, [("h", b"1")])
    log.write_journal(b"commit of " + b",".join(values))


def go_on_writing(log: ShardLog, logs: Logs) -> None:
    """Write to an open transaction for a while."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        log.write(logs.target, 0, None, b"more", [])
        log.poll(1, 0.05)


def take(log: ShardLog | Tail, count: int) -> list[Record]:
    """Poll until that many records have come."""
    got: list[Record] = []
    deadline = time.monotonic() + WAIT_S
    while len(got) < count:
        got += log.poll(count - len(got), WAIT_S)  # comes back early where a partition's end was reached
        assert time.monotonic() < deadline, f"only {len(got)} of {count} records came"
    return got


def committed_values(logs: Logs, topic: str, partition: int = 0, *, count: int = 0) -> list[bytes | None]:
    """What a reader of committed data sees, once at least `count` records are there: a broker answers a commit
    before it has written the transaction's markers.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        reader = logs.reader()
        found = [r.value for r in reader.scan(topic, partition)]
        reader.close()
        if len(found) >= count or time.monotonic() > deadline:
            return found


def test_a_commit_shows_outputs_journal_and_offsets_together(logs: Logs) -> None:
    """Before the commit nothing is there, after it everything."""
    log = opened(logs)
    assert log.journal_tail() is None
    write(log, logs, b"a", b"b")
    log.send_offsets({(logs.source, 0): 7}, '{"seq":0}')
    log.commit()
    offset, appended_ms = log.journal_appended()
    assert (offset, appended_ms > 0) == (0, True)
    assert committed_values(logs, logs.target, count=2) == [b"a", b"b"]
    assert log.journal_tail() == (b"commit of a,b", 0)
    assert log.committed([(logs.source, 0), (logs.source, 1)]) == {
        (logs.source, 0): (7, '{"seq":0}'),
        (logs.source, 1): None,
    }


def test_an_aborted_transaction_leaves_nothing(logs: Logs) -> None:
    """Neither its outputs nor its commit record nor its offsets are ever seen; the next transaction is."""
    log = opened(logs)
    write(log, logs, b"gone")
    log.send_offsets({(logs.source, 0): 7}, "")
    log.abort()
    write(log, logs, b"kept")
    log.commit()
    assert committed_values(logs, logs.target, count=1) == [b"kept"]
    assert committed_values(logs, logs.spec.journal[0], count=1) == [b"commit of kept"]
    assert log.committed([(logs.source, 0)]) == {(logs.source, 0): None}


def test_whoever_opens_the_shard_fences_its_previous_owner(logs: Logs) -> None:
    """What the previous owner left open is aborted, and it can't commit any more."""
    old = opened(logs)
    write(old, logs, b"left open")
    new = opened(logs)
    with pytest.raises(Fenced):
        old.commit()
    assert new.journal_tail() is None
    write(new, logs, b"new")
    new.commit()
    assert committed_values(logs, logs.target, count=1) == [b"new"]


def test_a_fenced_owner_hears_of_it_while_it_writes(logs: Logs) -> None:
    """Were it to take this for a commit without an answer, it would fence its successor."""
    old = opened(logs)
    write(old, logs, b"left open")
    opened(logs)
    with pytest.raises(Fenced):
        go_on_writing(old, logs)


def test_recycling_aborts_what_was_open_and_goes_on(logs: Logs) -> None:
    """After a commit without an answer the same owner fences its own past and may begin again."""
    log = opened(logs)
    write(log, logs, b"unanswered")
    log.recycle()
    write(log, logs, b"after")
    log.commit()
    assert committed_values(logs, logs.target, count=1) == [b"after"]


def test_poll_gives_records_in_order_from_where_one_sought(logs: Logs) -> None:
    """Keys, headers and offsets arrive as written; seeking replaces what was assigned."""
    for n in range(5):
        logs.send(logs.source, 0, b"%d" % n, [("ce_id", b"%d" % n)])
    logs.send(logs.source, 1, b"other", [])
    log = opened(logs)
    first = take(log, 5)
    assert [(r.offset, r.value, r.header("ce_id")) for r in first] == [(n, b"%d" % n, b"%d" % n) for n in range(5)]
    log.seek({(logs.source, 0): 3, (logs.source, 1): 0})
    assert {(r.partition, r.value) for r in take(log, 3)} == {(0, b"3"), (0, b"4"), (1, b"other")}


def test_poll_returns_what_is_there_and_no_more_than_asked_for(logs: Logs) -> None:
    """An empty partition gives nothing in the time that one waits; a limit is kept."""
    log = opened(logs)
    assert list(log.poll(10, 0.05)) == []
    for n in range(3):
        logs.send(logs.source, 0, b"%d" % n, [])
    assert len(log.poll(1, WAIT_S)) == 1
    assert len(take(log, 2)) == 2


def test_what_was_left_out_is_read_later_from_where_one_stood(logs: Logs) -> None:
    """A partition, or all of them: nothing of it comes meanwhile, what had been fetched already neither, and all later."""
    zero, one = (logs.source, 0), (logs.source, 1)
    for n in range(6):
        logs.send(logs.source, 0, b"%d" % n, [])
    log = opened(logs)
    assert [r.value for r in take(log, 2)] == [b"0", b"1"]
    log.seek({one: 0})
    logs.send(logs.source, 1, b"other", [])
    assert [r.value for r in take(log, 1)] == [b"other"]
    assert list(log.poll(10, 0.3)) == []
    log.seek({})
    assert list(log.poll(10, 0.3)) == []
    log.seek({zero: 2, one: 1})
    assert [(r.partition, r.value) for r in take(log, 4)] == [(0, b"%d" % n) for n in range(2, 6)]


def comes_to_be_behind(lag: Lag, *at: int) -> bool:
    """Ask until a group is so far behind on each of its partitions."""
    deadline = time.monotonic() + WAIT_S
    found: dict[int, int] = {}
    while [found.get(p) for p in range(len(at))] != list(at) and time.monotonic() < deadline:
        lag.ask()
        found |= {p: n for (_, p), n in (lag.answer() or {}).items()}
    return [found.get(p) for p in range(len(at))] == list(at)


def test_a_group_is_behind_by_what_it_has_not_committed(logs: Logs) -> None:
    """Before it ever has, by what came since the first look."""
    logs.send(logs.source, 0, b"before", [])
    lag = logs.lag()
    assert comes_to_be_behind(lag, 0, 0)
    for n in range(3):
        logs.send(logs.source, 0, b"%d" % n, [])
    assert comes_to_be_behind(lag, 3, 0)
    log = opened(logs)
    write(log, logs, b"a")
    log.send_offsets({(logs.source, 0): 1}, "")
    log.commit()
    logs.send(logs.source, 1, b"other", [])
    assert comes_to_be_behind(lag, 3, 1)
    assert comes_to_be_behind(logs.lag(), 3, 0)
    write(log, logs, b"b")
    log.send_offsets({(logs.source, 0): 4, (logs.source, 1): 1}, "")
    log.commit()
    assert comes_to_be_behind(lag, 0, 0)


def test_a_question_is_asked_once_at_a_time_and_answered_once(logs: Logs) -> None:
    """Whoever asks need not wait."""
    lag = logs.lag()
    assert comes_to_be_behind(lag, 0, 0)
    assert lag.answer() is None
    assert lag.ask()
    assert not lag.ask()
    deadline = time.monotonic() + WAIT_S
    while (found := lag.answer()) is None:
        assert time.monotonic() < deadline, "no answer came"
    assert found == {(logs.source, 0): 0, (logs.source, 1): 0}
    assert lag.answer() is None
    assert lag.ask()


def test_an_open_transaction_holds_readers_back(logs: Logs) -> None:
    """Committed data end before the first open record, whatever stands behind it."""
    log = opened(logs)
    write(log, logs, b"pending")
    deadline = time.monotonic() + WAIT_S
    while not logs.arrived(logs.target):
        assert time.monotonic() < deadline, "the write never arrived"
    tail = logs.tail()
    tail.seek({(logs.target, 0): 0})
    logs.send(logs.target, 0, b"outside", [])
    assert list(tail.poll(10, 0.3)) == []
    log.commit()
    got: list[bytes | None] = []
    while len(got) < 2:
        got += [r.value for r in tail.poll(10, WAIT_S)]
    assert sorted(v or b"" for v in got) == [b"outside", b"pending"]


def test_a_reader_takes_ranges_in_turn(logs: Logs) -> None:
    """`read` gives exactly the half-open range, also past transaction markers; the next range goes on from there."""
    log = opened(logs)
    for value in (b"a", b"b", b"c"):
        write(log, logs, value)
        log.commit()
    committed_values(logs, logs.target, count=3)
    reader = logs.reader()
    assert [r.value for r in reader.read(logs.target, 0, 0, 3)] == [b"a", b"b"]
    assert [(r.offset, r.value) for r in reader.read(logs.target, 0, 3, 5)] == [(4, b"c")], "markers take offsets"
    assert [r.value for r in reader.scan(logs.target, 0, 2)] == [b"b", b"c"]


def end_reached(log: ShardLog | Tail, tp: tuple[str, int], at: int) -> None:
    """Poll until what was passed of a partition is this; no record may come."""
    deadline = time.monotonic() + WAIT_S
    while log.passed().get(tp) != at:
        assert not log.poll(10, 0.1)
        assert time.monotonic() < deadline, f"passed {log.passed()}"


@READERS
def test_what_was_passed_includes_markers_and_aborted_records(logs: Logs, reads: str) -> None:
    """It is known once the end was reached by polling, and moves on when only markers come."""
    writer = opened(logs)
    write(writer, logs, b"a", b"b")
    writer.commit()
    log: ShardLog | Tail = getattr(logs, reads)()
    log.seek({(logs.target, 0): 0, (logs.source, 0): 0})
    assert log.passed() == {}
    assert take(log, 2)[-1].offset == 1
    end_reached(log, (logs.target, 0), 3)
    end_reached(log, (logs.source, 0), 0)
    write(writer, logs, b"gone")
    deadline = time.monotonic() + WAIT_S
    while logs.arrived(logs.target) < 4:
        assert time.monotonic() < deadline, "the write never arrived"
    assert not log.poll(10, 0.3)
    assert log.passed()[logs.target, 0] == 3, "an open transaction holds it back"
    writer.abort()
    end_reached(log, (logs.target, 0), 5)


@READERS
def test_a_record_or_a_seek_makes_what_was_passed_stale(logs: Logs, reads: str) -> None:
    """Between a record and the next end nothing is said of its partition; after a seek of none."""
    logs.send(logs.source, 0, b"0", [])
    log: ShardLog | Tail = getattr(logs, reads)()
    log.seek({(logs.source, 0): 0})
    take(log, 1)
    end_reached(log, (logs.source, 0), 1)
    for n in (1, 2):
        logs.send(logs.source, 0, b"%d" % n, [])
    assert take(log, 1)[0].offset == 1
    assert log.passed().get((logs.source, 0)) is None
    take(log, 1)
    end_reached(log, (logs.source, 0), 3)
    log.seek({(logs.source, 0): 1})
    assert log.passed() == {}
    assert take(log, 1)[0].offset == 1
    assert log.passed() == {}
    take(log, 1)
    end_reached(log, (logs.source, 0), 3)


def test_a_range_of_markers_alone_is_read_to_its_end(logs: Logs) -> None:
    """At the end of the log too: a replay of it gives nothing and returns."""
    log = opened(logs)
    write(log, logs, b"a")
    log.commit()
    committed_values(logs, logs.target, count=1)
    reader = logs.reader()
    assert list(reader.read(logs.target, 0, 1, 2)) == []
    assert [r.value for r in reader.read(logs.target, 0, 0, 2)] == [b"a"]


def test_one_may_look_further_back_in_the_journal(logs: Logs) -> None:
    """Record by record, past markers, as far as it goes; and from the end again."""
    log = opened(logs)
    for n in range(30):
        write(log, logs, b"%d" % n)
        log.commit()
    committed_values(logs, logs.spec.journal[0], count=30)
    at = log.journal_tail()
    seen = []
    while at is not None:
        seen.append(at)
        at = log.journal_tail(before=at[1])
    assert [value for value, _ in seen] == [b"commit of %d" % n for n in reversed(range(30))]
    assert log.journal_tail(before=seen[3][1]) == seen[4]
    assert log.journal_tail() == seen[0]


def test_a_reader_finds_its_way(logs: Logs) -> None:
    """Which partitions there are, where their committed data begin and end, and what was written when."""
    log = opened(logs)
    write(log, logs, b"a")
    log.commit()
    committed_values(logs, logs.target, count=1)
    reader = logs.reader()
    assert list(reader.partitions(logs.target)) == [(logs.target, 0), (logs.target, 1)]
    assert [r.timestamp_ms > 0 for r in reader.scan(logs.target, 0)] == [True]
    assert reader.watermarks((logs.target, 0)) == (0, 2), "the marker takes an offset"
    assert reader.watermarks((logs.target, 1)) == (0, 0)
    assert reader.offset_at((logs.target, 0), 0) == 0
    assert reader.offset_at((logs.target, 0), 4_000_000_000_000_000) == 2
    assert reader.offset_at((logs.target, 1), 0) == 0
    with pytest.raises(UnknownTopic):
        reader.partitions(f"{logs.spec.app}-nowhere")


def test_keys_choose_partitions_as_kafka_does(logs: Logs) -> None:
    """An output without a partition goes where murmur2 of its key says."""
    log = opened(logs)
    keys = [b"press-1", b"press-2", b"k", b"", b"\x00\xff\x80"]
    log.begin()
    for key in keys:
        log.write(logs.target, BY_KEY, key, key, [])
    log.write_journal(b"{}")
    log.commit()
    there = [partition_of(key, 2) for key in keys]
    found = {v: p for p in (0, 1) for v in committed_values(logs, logs.target, p, count=there.count(p))}
    assert found == {key: partition_of(key, 2) for key in keys}


def test_a_closed_session_is_of_no_use(logs: Logs) -> None:
    """Whoever goes on all the same is told so; closing twice is fine."""
    log = opened(logs)
    log.close()
    log.close()
    with pytest.raises(RivergateError):
        log.begin()
