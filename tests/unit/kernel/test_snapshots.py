from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.kernel.transactor_world import Blobs

from rivergate.domain.errors import SnapshotCorrupt
from rivergate.domain.journal import SnapshotRef
from rivergate.domain.signing import SigningKey
from rivergate.kernel.keeping import HOUR, Keeping
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import Snapshot, SnapshotStore


def spec(shard: int = 0) -> ShardSpec:
    """A shard of an app."""
    return ShardSpec("app", "agent-w", shard, (("t", shard),), "code", "w")


def snapshot(seq: int, state: bytes = b"state", clock: int = 5, at: int = 9) -> Snapshot:
    """A snapshot taken before commit `seq`, with the input read up to `at`."""
    standing = Standing(seq=seq, epoch=1, clock=clock, digest="d" * 64, positions={("t", 0): at}, journal_offset=3)
    return Snapshot(standing, "code", {"river": "1"}, state)


def test_a_snapshot_comes_back_as_it_was_put() -> None:
    """State, standing and versions; its reference names the commit after which it was taken."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate())
    ref = store.put(snapshot(8))
    assert ref.seq == 7
    assert store.get(ref) == snapshot(8)


@pytest.mark.parametrize("at", [0, 10, 60, -1, -65])
def test_a_flipped_byte_anywhere_is_refused(at: int) -> None:
    """By the content's own name, before anything is decoded."""
    blobs = Blobs()
    store = SnapshotStore(blobs, spec(), SigningKey.generate())
    ref = store.put(snapshot(8))
    (name,) = blobs.kept
    content = bytearray(blobs.kept[name])
    content[at] ^= 1
    blobs.kept[name] = bytes(content)
    with pytest.raises(SnapshotCorrupt, match="hash"):
        store.get(ref)


def test_what_another_key_signed_is_refused_even_if_its_name_is_right() -> None:
    """Nothing unsigned is ever unpickled."""
    blobs = Blobs()
    ref = SnapshotStore(blobs, spec(), SigningKey.generate()).put(snapshot(8))
    with pytest.raises(SnapshotCorrupt, match="signed"):
        SnapshotStore(blobs, spec(), SigningKey.generate()).get(ref)


def test_another_shards_snapshot_is_refused() -> None:
    """Even under this shard's name and signed by this app."""
    blobs, key = Blobs(), SigningKey.generate()
    ref = SnapshotStore(blobs, spec(1), key).put(snapshot(8))
    (name,) = list(blobs.kept)
    blobs.kept[name.replace("/1/", "/0/")] = blobs.kept[name]
    with pytest.raises(SnapshotCorrupt, match="agent-w/1"):
        SnapshotStore(blobs, spec(0), key).get(ref)


def test_a_missing_snapshot_is_said_and_older_ones_are_found() -> None:
    """Newest first; no more than the ones that are kept."""
    blobs = Blobs()
    store = SnapshotStore(blobs, spec(), SigningKey.generate(), keeping=Keeping(3, 0, 0))
    refs = [store.put(snapshot(seq)) for seq in (2, 4, 6, 8)]
    assert store.older_than(7) == [refs[2], refs[1]]
    with pytest.raises(SnapshotCorrupt, match="missing"):
        store.get(refs[0])
    with pytest.raises(SnapshotCorrupt, match="missing"):
        store.get(SnapshotRef("0" * 64, 1))


def test_snapshots_that_are_ahead_are_left_alone() -> None:
    """A broker that was made anew begins at 0 again, or a fenced owner wakes up late: neither deletes what it isn't at."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate(), keeping=Keeping(3, 0, 0))
    for seq in (101, 102, 103):
        store.put(snapshot(seq))
    young = [store.put(snapshot(seq)) for seq in (1, 2, 3)]
    assert [store.get(ref).standing.seq for ref in young] == [1, 2, 3]
    assert store.older_than(100) == young[::-1]
    assert [ref.seq for ref in store.stored()] == [0, 1, 2, 100, 101, 102]


def test_the_newest_are_kept_and_one_of_each_hour_and_day() -> None:
    """Three weeks of a snapshot every ten minutes: the store of a second process thins them in the same way."""
    blobs, key, keeping = Blobs(), SigningKey.generate(), Keeping(newest=4, hours=6, days=5)
    store = SnapshotStore(blobs, spec(), key, keeping=keeping)
    for n in range(21 * 24 * 6):
        if n % 500 == 0:
            store = SnapshotStore(blobs, spec(), key, keeping=keeping)
        store.put(snapshot(n + 1, clock=n * HOUR // 6))
    last = 21 * 24 * 6 - 1
    ends_of_hours = {last - 6 * h for h in range(6)}
    ends_of_days = {last - 6 * 24 * d for d in range(5)}
    assert {ref.seq for ref in store.stored()} == {last, last - 1, last - 2, last - 3} | ends_of_hours | ends_of_days
    assert all(store.get(ref).state == b"state" for ref in store.stored())


def test_a_snapshot_whose_inputs_are_gone_is_not_kept() -> None:
    """Nothing can be replayed from it; the newest is kept all the same, since a quiet shard needs no more."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate(), keeping=Keeping(newest=3))
    low = {("t", 0): 0}
    for n in range(6):
        store.put(snapshot(n + 1, clock=n * HOUR, at=10 * n), lambda: low)
    assert [ref.seq for ref in store.stored()] == [0, 1, 2, 3, 4, 5]
    low = {("t", 0): 35}
    store.put(snapshot(7, clock=6 * HOUR, at=60), lambda: low)
    assert [ref.seq for ref in store.stored()] == [4, 5, 6]
    low = {("t", 0): 1000}
    store.put(snapshot(8, clock=7 * HOUR, at=70), lambda: low)
    assert [ref.seq for ref in store.stored()] == [7]


def test_retention_is_asked_about_now_and_then() -> None:
    """Not at every snapshot: that costs a question a partition."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate(), keeping=Keeping(newest=1))
    asked: list[int] = []

    def lowest() -> dict[tuple[str, int], int]:
        asked.append(1)
        return {}

    for n in range(100):
        store.put(snapshot(n + 1, clock=n * HOUR // 60), lowest)
    assert len(asked) == 10


def test_what_commits_that_failed_left_behind_does_not_push_out_the_one_that_is_named() -> None:
    """Each of them is stored before its commit; the journal's newest record names none of them."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate(), keeping=Keeping(2, 0, 0))
    named = store.put(snapshot(4))
    for tried in range(5):
        attempt = snapshot(6, state=b"%d" % tried)
        store.put(replace(attempt, standing=replace(attempt.standing, snapshot=named)))
    assert store.get(named).state == b"state"


@pytest.mark.parametrize(
    "stray",
    [
        ".DS_Store",
        ".nfs00000000deadbeef",
        ".000000000007-%s.Xa3f" % ("d" * 64),
        "",
        "000000000007-d",
        "old/000000000007-%s" % ("d" * 64),
    ],
)
def test_what_else_lies_in_the_folder_is_passed_over(stray: str) -> None:
    """A file browser's, a network file system's, a copy that was broken off, an object store's folder: none is a snapshot."""
    blobs = Blobs()
    store = SnapshotStore(blobs, spec(), SigningKey.generate(), keeping=Keeping(1, 0, 0))
    blobs.put(f"app/agent-w/0/{stray}", b"")
    store.put(snapshot(6))
    ref = store.put(snapshot(8))
    assert store.stored() == [ref]
    assert f"app/agent-w/0/{stray}" in blobs.kept
