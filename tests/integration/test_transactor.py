"""The transactor on a real broker: exactly once, whatever dies between which two steps."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.integration.transactor_world import Crash, World, finish

from rivergate.domain.errors import Fenced, ShardParked
from rivergate.kernel.tools import Limits
from rivergate.runtime.kafka import LocalKafka

STEPS = ("begin", "outputs", "spans", "journal", "offsets", "commit", "committed")


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> World:
    """A fresh app on the shared broker."""
    return World(kafka.bootstrap, tmp_path)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(world: World, step: str) -> None:
    """Whoever takes over goes on where the journal says, with the state of then."""
    world.send({"n": n} for n in range(40))
    reached = 0

    def die(at: str) -> None:
        nonlocal reached
        reached += at == step
        if at == step and reached == 3:
            raise Crash

    first = world.transactor("first", hook=die)
    first.open()
    with pytest.raises(Crash):
        finish(first)
    second = world.transactor("second")
    second.open()
    finish(second)
    copies = [orjson.loads(r.value or b"") for r in world.read(world.copies)]
    assert [c["n"] for c in copies] == list(range(40))
    assert [c["seen"] for c in copies] == list(range(1, 41))
    assert len(world.read(f"{world.app}.proposals")) == 8
    journal = world.journal()
    assert [c.seq for c in journal] == list(range(len(journal)))
    assert all(b.previous == a.digest for a, b in pairwise(journal))
    assert {c.worker for c in journal} == {"first", "second"}
    second.close()
    first.close()


def test_a_fenced_owner_can_not_commit(world: World) -> None:
    """A zombie that comes back finds its transactional id taken, and nothing of what it does becomes visible."""
    world.send({"n": n} for n in range(7))
    zombie = world.transactor("zombie")
    zombie.open()
    finish(zombie)
    owner = world.transactor("owner")
    owner.open()
    world.send({"n": n} for n in range(7, 14))
    with pytest.raises(Fenced):
        finish(zombie)
    finish(owner)
    assert [orjson.loads(r.value or b"")["n"] for r in world.read(world.copies)] == list(range(14))
    owner.close()
    zombie.close()


def test_a_failing_record_goes_to_the_dead_letters_and_its_state_is_undone(world: World) -> None:
    """Undecodable and raising records end there with raw bytes, origin and reason; nothing else notices."""
    good = [
        {"n": 0},
        {"n": 1},
        {"n": 2, "fail": True},
        b"{no json",
        {"n": "three"},
        {"n": 5},
        {"n": 6, "fail": True},
        {"n": 7},
    ]
    world.send(good)
    transactor = world.transactor(limits=Limits(batch=100, wait_s=0.3))
    transactor.open()
    finish(transactor)
    copies = [orjson.loads(r.value or b"") for r in world.read(world.copies)]
    assert [(c["n"], c["seen"]) for c in copies] == [(0, 1), (1, 2), (5, 3), (7, 4)]
    letters = {r.header("rg_origin"): r for r in world.read(f"{world.app}.dead_letters")}
    assert set(letters) == {f"{world.events}/0/{o}".encode() for o in (2, 3, 4, 6)}
    assert letters[f"{world.events}/0/3".encode()].value == b"{no json"
    assert b"told to fail at 2" in (letters[f"{world.events}/0/2".encode()].header("rg_reason") or b"")
    assert b"field n" in (letters[f"{world.events}/0/4".encode()].header("rg_reason") or b"")
    assert sorted(o for c in world.journal() for _, _, o in c.skipped) == [2, 3, 4, 6]
    transactor.close()


def test_records_that_fail_park_nothing_however_many(world: World) -> None:
    """Each is set aside in a commit, so the shard gets on."""
    world.send({"n": n, "fail": n != 2} for n in range(10))
    transactor = world.transactor(limits=Limits(batch=100, wait_s=0.3, rebuilds_a_minute=3))
    transactor.open()
    finish(transactor)
    assert [r.header("rg_origin") for r in world.read(f"{world.app}.dead_letters")] == [
        f"{world.events}/0/{o}".encode() for o in range(10) if o != 2
    ]
    assert [orjson.loads(r.value or b"")["seen"] for r in world.read(world.copies)] == [1]
    transactor.close()


def test_a_drain_leaves_a_snapshot_that_other_code_may_start_from(world: World) -> None:
    """After a drain changed code goes on; without one it is refused until somebody accepts it by name."""
    world.send({"n": n} for n in range(10))
    old = world.transactor("old")
    old.open()
    finish(old)
    old.drain()
    old.close()
    new = world.transactor("new", code="d" * 64)
    new.open()
    world.send({"n": n} for n in range(10, 20))
    finish(new)
    new.close()
    refused = world.transactor("other", code="e" * 64)
    with pytest.raises(ShardParked, match="other code"):
        refused.open()
    refused.close()
    accepted = world.transactor("other", code="e" * 64, accept={"who": "operator", "why": "a test"})
    accepted.open()
    world.send([{"n": 20}])
    finish(accepted)
    assert [orjson.loads(r.value or b"")["seen"] for r in world.read(world.copies)] == list(range(1, 22))
    assert world.journal()[-1].accepted_code == {"who": "operator", "why": "a test"}
    accepted.close()


def test_a_flipped_byte_in_a_snapshot_is_noticed_and_the_log_makes_it_good(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of a damaged snapshot is loaded; the shard replays the log instead and loses nothing."""
    world.send({"n": n} for n in range(10))
    first = world.transactor("first")
    first.open()
    finish(first)
    digest = first.fold.digest()
    first.drain()
    first.close()
    (path,) = [p for p in (world.folder / "snapshots").rglob("*") if p.is_file()]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    second = world.transactor("second")
    second.open()
    assert second.fold.digest() == digest
    assert "don't hash to its name" in caplog.text
    second.close()


def test_moved_offsets_stop_the_shard_and_missing_ones_are_restored(world: World) -> None:
    """The journal is the authority: deleted offsets come back with the next commit, other ones mean that somebody moved them."""
    world.send({"n": n} for n in range(10))
    first = world.transactor("first")
    first.open()
    finish(first)
    first.close()
    group = f"{world.app}.{world.stage}"
    admin = AdminClient({"bootstrap.servers": world.bootstrap})
    consumer = Consumer({"bootstrap.servers": world.bootstrap, "group.id": group, "enable.auto.commit": False})
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(world.events, 0, 3)])
    for future in admin.alter_consumer_group_offsets([moved]).values():
        future.result()
    second = world.transactor("second")
    with pytest.raises(ShardParked, match=r"committed .* up to 3, the journal up to 10"):
        second.open()
    second.close()
    for future in admin.delete_consumer_groups([group]).values():
        future.result()
    third = world.transactor("third")
    third.open()
    world.send([{"n": 10}])
    finish(third)
    (committed,) = consumer.committed([TopicPartition(world.events, 0)], timeout=10)
    assert committed.offset == 11
    assert orjson.loads(committed.metadata)["seq"] == world.journal()[-1].seq
    third.close()
    consumer.close()


def test_a_clock_far_ahead_of_the_brokers_parks_the_shard(world: World) -> None:
    """What is written under a wrong clock can't be taken back, so the shard stops after the first such commit."""
    world.send([{"n": 0}])
    ahead = world.transactor(clock=lambda: time.time_ns() // 1000 + 120_000_000)
    ahead.open()
    with pytest.raises(ShardParked, match=r"clock is 1[12][0-9] s ahead"):
        finish(ahead)
    ahead.close()
