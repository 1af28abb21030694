"""Lines of a journal that somebody else wrote, and snapshots of another log."""

from __future__ import annotations

import hashlib

import orjson
import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, OLD_CODE, World, run

from rivergate.domain.errors import ShardParked
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.kernel.snapshots import Snapshot, SnapshotStore

STRAYS = (
    b"garbage",
    b"[1, 2]",
    b'{"seq": 7, "note": "valid JSON of another shape"}',
    b"",
)


def stray(world: World, *lines: bytes) -> None:
    """Lines that nobody of the stage wrote."""
    for line in lines:
        world.broker.append(f"plant.journal.{world.stage}", 0, line)


def lines(world: World) -> list[Record]:
    """All lines of the journal."""
    return world.broker.records(f"plant.journal.{world.stage}")


def of_another_shard(world: World) -> bytes:
    """A commit record, but of shard 1."""
    return orjson.dumps(orjson.loads(lines(world)[0].value or b"") | {"shard": 1})


def test_stray_lines_are_passed_over_with_a_warning_each(caplog: pytest.LogCaptureFixture) -> None:
    """At the end and in the middle; the shard goes on, gapless, and a replay is identical and names them."""
    world = World()
    world.put(1)
    run(world.transactor())
    strays = (*STRAYS, of_another_shard(world))
    stray(world, *strays)
    world.put(2)
    run(world.transactor())
    assert caplog.text.count("passed over") == len(strays)
    assert f"plant.journal.{world.stage}/0/2: not a commit record" in caplog.text
    assert "a commit record of agent-summing/1" in caplog.text
    assert "restrict the topic to its stage with ACLs" in caplog.text
    world.put(3)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 6]
    kept = [orjson.loads(r.value or b"") for r in lines(world) if r.value not in strays]
    assert [c["seq"] for c in kept] == [0, 1, 2]
    found = world.replay()
    assert (found.difference, found.commits, len(found.strays)) == ("", 3, len(strays))


def test_a_journal_of_stray_lines_alone_parks_a_shard_that_has_committed() -> None:
    """The group's offsets say that there was a past, which the journal no longer has."""
    world = World()
    world.put(1)
    run(world.transactor())
    world.broker.trim((f"plant.journal.{world.stage}", 0), 2)
    stray(world, *STRAYS)
    with pytest.raises(ShardParked, match="has committed plant-in/0 up to 1, the journal nothing of it"):
        world.transactor().open()


def test_a_snapshot_of_another_log_does_not_hold(caplog: pytest.LogCaptureFixture) -> None:
    """It has the right key, shard and number, but the journal's chain doesn't go on from it."""
    other, world = World(), World()
    for n in (10, 20, 30):
        other.put(n)
    run(other.transactor())
    foreign = run(other.transactor())
    key = SigningKey(hashlib.sha256(b"snapshots").digest())
    for n in (1, 2, 3, 4, 5):
        world.put(n)
    run(world.transactor()).drain()
    named = world.journal()[-1].snapshot
    assert named is not None
    world.blobs.kept.clear()
    store = SnapshotStore(world.blobs, foreign.spec, key)
    store.put(Snapshot(foreign.standing, OLD_CODE, {}, foreign.fold.dump()))
    world.put(6)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [1, 3, 6, 10, 15, 21]
    assert "isn't of this log" in caplog.text
    with pytest.raises(ShardParked, match="last run by other code"):
        world.transactor(code=NEW_CODE).open()
