from __future__ import annotations

import pytest
from tests.unit.kernel.transactor_world import Blobs

from rivergate.domain.errors import SnapshotCorrupt
from rivergate.domain.journal import SnapshotRef
from rivergate.domain.signing import SigningKey
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import Snapshot, SnapshotStore


def spec(shard: int = 0) -> ShardSpec:
    """A shard of an app."""
    return ShardSpec("app", "agent-w", shard, (("t", shard),), "code", "w")


def snapshot(seq: int, state: bytes = b"state") -> Snapshot:
    """A snapshot taken before commit `seq`."""
    standing = Standing(seq=seq, epoch=1, clock=5, digest="d" * 64, positions={("t", 0): 9}, journal_offset=3)
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
    store = SnapshotStore(blobs, spec(), SigningKey.generate(), keep=3)
    refs = [store.put(snapshot(seq)) for seq in (2, 4, 6, 8)]
    assert store.older_than(7) == [refs[2], refs[1]]
    with pytest.raises(SnapshotCorrupt, match="missing"):
        store.get(refs[0])
    with pytest.raises(SnapshotCorrupt, match="missing"):
        store.get(SnapshotRef("0" * 64, 1))


def test_snapshots_of_another_log_give_way() -> None:
    """A broker that was made anew begins at 0 again, and its snapshots mustn't be the first to go."""
    store = SnapshotStore(Blobs(), spec(), SigningKey.generate(), keep=3)
    for seq in (101, 102, 103):
        store.put(snapshot(seq))
    young = [store.put(snapshot(seq)) for seq in (1, 2, 3)]
    assert [store.get(ref).standing.seq for ref in young] == [1, 2, 3]
    assert store.older_than(1000) == young[::-1]
