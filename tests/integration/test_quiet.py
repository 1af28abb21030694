"""Quiet partitions, retention and stray journal lines on a real broker."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from tests.checker import Rule, check
from tests.integration.transactor_world import World, finish

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.domain.errors import ShardParked
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.kernel.tools import Limits
from rivergate.kernel.transactor import Transactor
from rivergate.runtime.kafka import LocalKafka

IDLE = Limits(batch=7, wait_s=0.1, idle_positions_s=0.5, snapshot_share=1e9)


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> World:
    """A fresh app on the shared broker."""
    return World(kafka.bootstrap, tmp_path)


def end_reached(transactor: Transactor, world: World, at: int) -> None:
    """Step until polling has passed the markers behind the last record."""
    deadline = time.monotonic() + 15
    while transactor._log.passed().get((world.events, 0)) != at:
        transactor.step()
        assert time.monotonic() < deadline, transactor._log.passed()


def seen(world: World) -> list[int]:
    """How many events each copy says were seen."""
    return [orjson.loads(r.value or b"")["seen"] for r in world.read(world.copies)]


def replayed(world: World, transactor: Transactor) -> ShardReplay:
    """The shard folded again from nothing."""
    reader = KafkaReader(world.bootstrap, f"{world.app}.again")
    try:
        make = transactor._make_fold
        return replay_shard(transactor.spec, reader, make, transactor._tools.snapshots)[0]
    finally:
        reader.close()


def broken(world: World) -> set[Rule]:
    """Rules that the checker finds broken."""
    return {f.rule for f in check(world.bootstrap, world.app, settled=False)}


def test_a_drained_shard_outlives_its_quiet_inputs_retention(world: World) -> None:
    """The log then begins behind the last marker, and nothing was lost; what is lost later parks the shard."""
    world.send_in_transaction({"n": 0}, {"n": 1})
    first = world.transactor("first")
    first.open()
    end_reached(first, world, 3)
    first.drain()
    first.close()
    before = broken(world)
    assert replayed(world, first).difference == ""
    world.remove_all_events()
    second = world.transactor("second")
    second.open()
    world.send_in_transaction({"n": 2})
    end_reached(second, world, 5)
    second.drain()
    second.close()
    assert seen(world) == [1, 2, 3]
    assert [r.end for c in world.journal() for r in c.ranges] == [2, 3, 4, 5]
    assert before == {Rule.NO_END}, "there is no gate"
    world.send_in_transaction({"n": 3})
    world.remove_all_events()
    third = world.transactor("third")
    with pytest.raises(ShardParked, match="up to 5, but retention has removed everything before 7"):
        third.open()
    third.close()


def test_an_idle_shard_that_never_drains_outlives_it_too(world: World) -> None:
    """One commit while it is quiet, no second one; then the process dies."""
    world.send_in_transaction({"n": 0}, {"n": 1})
    first = world.transactor("first", limits=IDLE)
    first.open()
    deadline = time.monotonic() + 20
    while len(world.journal()) < 2:
        first.step()
        assert time.monotonic() < deadline, "no idle commit came"
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert not first.step()
    first.close()
    assert [(r.start, r.end) for c in world.journal() for r in c.ranges] == [(0, 2), (2, 3)]
    assert replayed(world, first).difference == ""
    world.remove_all_events()
    second = world.transactor("second")
    second.open()
    world.send_in_transaction({"n": 2})
    end_reached(second, world, 5)
    second.close()
    assert seen(world) == [1, 2, 3]


def test_a_recovery_reads_a_range_of_markers_at_the_end_of_the_log(world: World) -> None:
    """Without its snapshot the shard replays it, reading no record, and goes on."""
    world.send_in_transaction({"n": 0}, {"n": 1})
    first = world.transactor("first")
    first.open()
    end_reached(first, world, 3)
    first.drain()
    digest = first.fold.digest()
    first.close()
    for path in [p for p in (world.folder / "snapshots").rglob("*") if p.is_file()]:
        path.unlink()
    second = world.transactor("second")
    second.open()
    assert second.fold.digest() == digest
    second.close()


def test_stray_lines_in_a_journal_stop_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage and JSON of another shape in mid-life: the shard goes on, gapless; the checker still reports them."""
    world.send({"n": n} for n in range(3))
    first = world.transactor("first")
    first.open()
    finish(first)
    first.close()
    journal = f"{world.app}.journal.{world.stage}"
    for line in (b"garbage", b'{"valid": "but of another shape"}', *(b"more" for _ in range(40))):
        world.producer.produce(journal, line, partition=0)
    assert world.producer.flush(10) == 0
    world.send({"n": n} for n in range(3, 6))
    second = world.transactor("second")
    second.open()
    finish(second)
    second.close()
    assert seen(world) == list(range(1, 7))
    assert caplog.text.count("passed over") == 42
    commits = [v for v in (r.value or b"" for r in world.read(journal)) if v.startswith(b'{"stage"')]
    assert [orjson.loads(v)["seq"] for v in commits] == [0, 1]
    found = replayed(world, second)
    assert (found.difference, len(found.strays)) == ("", 42)
    assert Rule.UNREADABLE in broken(world)
