"""Snapshots that can't be written, and drains whose commit fails: nothing is lost, and nobody has to come."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.kernel.transactor_world import NEW_CODE, World, run

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.domain.errors import CommitUnknown, SnapshotNotWritten, StoreUnavailable
from rivergate.kernel.tools import Limits
from rivergate.testing.memory_log import Fate
from rivergate.testing.memory_shard_log import MemoryShardLog

ALWAYS = Limits(batch=1, wait_s=0.0, replay_s=0.0, snapshot_share=1e9)
NEVER = Limits(batch=1, wait_s=0.0, replay_s=1e9)


def full(world: World) -> World:
    """A world whose snapshot store takes nothing."""

    def put(name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    world.blobs.put = put  # type: ignore[method-assign]
    return world


def test_a_full_snapshot_store_stops_no_shard(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on without: all events are committed, once each, and the log says what to do."""
    world = full(World())
    for n in range(1, 9):
        world.put(n)
    with caplog.at_level(logging.WARNING, "rivergate.kernel"):
        transactor = world.transactor(limits=ALWAYS)
        transactor.open()
        while transactor.step():
            pass
    assert [v["n"] for v in world.written()] == list(range(1, 9))
    assert "No space left on device" in caplog.text
    assert "make room in the snapshot store" in caplog.text


def test_a_store_that_takes_nothing_is_asked_seldom() -> None:
    """The next try is `RETRY_S` later, not at the next commit."""
    world = World()
    asked: list[str] = []

    def put(name: str, content: bytes) -> None:
        asked.append(name)
        raise OSError(28, "No space left on device")

    world.blobs.put = put  # type: ignore[method-assign]
    for n in range(1, 9):
        world.put(n)
    transactor = world.transactor(limits=replace(ALWAYS, snapshot_share=0.05))
    transactor.open()
    while transactor.step():
        pass
    assert len(asked) == 1


def test_a_drain_says_that_its_snapshot_was_not_written() -> None:
    """Other code couldn't go on from there: whoever drains has to know."""
    world = full(World())
    world.put(1)
    transactor = world.transactor(limits=NEVER)
    transactor.open()
    transactor.step()
    with pytest.raises(SnapshotNotWritten, match="No space left"):
        transactor.drain()


class Disconnected(MemoryShardLog):
    """Its connection breaks while nothing comes: the next transaction finds it."""

    lost = False

    def begin(self) -> None:
        """Refuse, until the session has begun anew."""
        if self.lost:
            raise CommitUnknown("a connection to the broker broke, so the session begins anew")
        super().begin()

    def recycle(self) -> None:
        """A new session."""
        self.lost = False
        super().recycle()


def test_a_drain_after_a_broken_connection_leaves_its_snapshot() -> None:
    """So that other code can go on: a broker's restart followed by a deployment parked every quiet shard."""
    world = World()
    for n in (1, 2, 3):
        world.put(n)
    transactor = world.transactor(limits=NEVER)
    log = Disconnected(world.broker, transactor.spec)
    transactor._log = log
    transactor._intake._log = transactor._quiet._log = log
    transactor.open()
    while transactor.step():
        pass
    log.lost = True
    transactor.drain()
    transactor.close()
    assert world.journal()[-1].snapshot is not None
    run(world.transactor(code=NEW_CODE))


@pytest.mark.parametrize("fate", list(Fate))
def test_a_drain_whose_commit_fails_is_tried_again(fate: Fate) -> None:
    """Whichever way it fails, its snapshot is named once and nothing is written twice."""
    world = World()
    world.put(1)
    transactor = world.transactor(limits=NEVER)
    transactor.open()
    transactor.step()
    world.broker.fates.append(fate)
    transactor.drain()
    assert not world.broker.fates
    newest = world.journal()[-1]
    assert newest.snapshot is not None
    assert newest.snapshot.seq == newest.seq
    assert [v["n"] for v in world.written()] == [1]


def test_a_blob_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full isn't filled with halves of snapshots."""
    blobs = FsspecBlobs(str(tmp_path))

    def refuse(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StoreUnavailable, match="No space"):
        blobs.put("a/b", b"x" * 100)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
