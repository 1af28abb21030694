"""Snapshots: content-addressed, signed, and never loaded before both have been checked."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import orjson

from rivergate.domain.clock import Micros
from rivergate.domain.errors import SnapshotCorrupt
from rivergate.domain.journal import Began, SnapshotRef
from rivergate.domain.record import TopicPartition
from rivergate.domain.signing import SigningKey, VerifyingKey, verify_bytes
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import Blobs

_MAGIC = b"RGSNAP1\n"
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A shard's state after commit `standing.seq - 1`, and which versions wrote it."""

    standing: Standing
    code: str
    versions: dict[str, str]
    state: bytes


class SnapshotStore:
    """Snapshots of one shard in a blob store. Used by the shard's thread."""

    def __init__(self, blobs: Blobs, spec: ShardSpec, key: SigningKey | VerifyingKey, *, keep: int = 10) -> None:
        self._blobs = blobs
        self._spec = spec
        self._key = key
        self._keep = keep

    def put(self, snapshot: Snapshot) -> SnapshotRef:
        """Store durably; only then may a commit record name it."""
        content = self._encode(snapshot)
        digest = hashlib.sha256(content).hexdigest()
        seq = snapshot.standing.seq - 1
        self._blobs.put(self._name(seq, digest), content)
        stored = [(ref.seq <= seq, self._name(ref.seq, ref.digest)) for ref in self._stored()]
        for _, name in sorted(stored)[: -self._keep]:  # first what is ahead of the journal: it is of another log
            self._blobs.delete(name)
        return SnapshotRef(digest, seq)

    def get(self, ref: SnapshotRef) -> Snapshot:
        """The snapshot that a commit record names. Raises `SnapshotCorrupt` if it is missing or doesn't hold."""
        name = self._name(ref.seq, ref.digest)
        try:
            content = self._blobs.get(name)
        except KeyError as e:
            raise SnapshotCorrupt("is missing", where=name, remedy=_REMEDY) from e
        if hashlib.sha256(content).hexdigest() != ref.digest:
            raise SnapshotCorrupt("its bytes don't hash to its name", where=name, remedy=_REMEDY)
        return self._decode(content, name)

    def stored(self) -> list[SnapshotRef]:
        """All of them, oldest first."""
        return self._stored()

    def older_than(self, seq: int) -> list[SnapshotRef]:
        """Stored snapshots before `seq`, newest first."""
        return [r for r in reversed(self._stored()) if r.seq < seq]

    def _stored(self) -> list[SnapshotRef]:
        refs = []
        for name in self._blobs.names(f"{self._spec.app}/{self._spec.stage}/{self._spec.shard}/"):
            number, _, digest = name.rpartition("/")[2].partition("-")
            refs.append(SnapshotRef(digest, int(number)))
        return refs

    def _name(self, seq: int, digest: str) -> str:
        return f"{self._spec.app}/{self._spec.stage}/{self._spec.shard}/{seq:012d}-{digest}"

    def _encode(self, snapshot: Snapshot) -> bytes:
        s = snapshot.standing
        head = orjson.dumps(
            {
                "app": self._spec.app,
                "stage": self._spec.stage,
                "shard": self._spec.shard,
                "seq": s.seq,
                "epoch": s.epoch,
                "clock": s.clock,
                "digest": s.digest,
                "positions": [[t, p, o] for (t, p), o in sorted(s.positions.items())],
                "journal_offset": s.journal_offset,
                "code": snapshot.code,
                "versions": snapshot.versions,
                **({} if s.began is None else {"began": s.began.to_value()}),
            }
        )
        content = _MAGIC + struct.pack(">I", len(head)) + head + snapshot.state
        return content + self._key.sign_bytes(content)

    def _decode(self, content: bytes, name: str) -> Snapshot:
        body, signature = content[:-_SIGNATURE_BYTES], content[-_SIGNATURE_BYTES:]
        if not body.startswith(_MAGIC) or not verify_bytes(self._key.public, body, signature):
            raise SnapshotCorrupt("isn't signed by this app's snapshot key", where=name, remedy=_REMEDY)
        size = struct.unpack_from(">I", body, len(_MAGIC))[0]
        start = len(_MAGIC) + 4
        head: dict[str, Any] = orjson.loads(body[start : start + size])
        if (head["app"], head["stage"], head["shard"]) != (self._spec.app, self._spec.stage, self._spec.shard):
            raise SnapshotCorrupt(f"is of {head['app']}/{head['stage']}/{head['shard']}", where=name, remedy=_REMEDY)
        positions: dict[TopicPartition, int] = {(t, p): o for t, p, o in head["positions"]}
        clock: Micros = head["clock"]
        began = Began.from_value(head["began"]) if "began" in head else None
        standing = Standing(
            head["seq"], head["epoch"], clock, head["digest"], positions, None, head["journal_offset"], began
        )
        return Snapshot(standing, head["code"], head["versions"], body[start + size :])


_REMEDY = "the shard goes on from an older snapshot or from the log; restore the snapshot store from its backup"
