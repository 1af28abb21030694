"""Snapshots: content-addressed, signed, and never loaded before both have been checked."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from rivergate.domain.clock import Micros
from rivergate.domain.errors import RivergateError, SnapshotCorrupt, SnapshotNotWritten
from rivergate.domain.journal import Adopted, Began, SnapshotRef
from rivergate.domain.record import TopicPartition
from rivergate.domain.signing import SigningKey, VerifyingKey
from rivergate.kernel.keeping import KEEPING, Keeping, Kept
from rivergate.kernel.models import ModelStore
from rivergate.kernel.sealed import head_of, seal, unseal
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import Blobs

_LOG = logging.getLogger("rivergate.kernel")

_MAGIC = b"RGSNAP1\n"
_NAME = re.compile(r"(\d{12,})-([0-9a-f]{64})")
LOOK_EVERY: Micros = 600_000_000
"""How often the broker is asked what its retention has removed, by the shard's clock."""
HEAD_BYTES = 256 * 1024
"""As much of a snapshot is read to learn when it was taken; what it says of itself takes 50 bytes a partition."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A shard's state after commit `standing.seq - 1`, and which versions wrote it."""

    standing: Standing
    code: str
    versions: dict[str, str]
    state: bytes


class SnapshotStore:
    """Snapshots of one shard in a blob store, beside the `models` of its app. Used by the shard's thread."""

    def __init__(
        self, blobs: Blobs, spec: ShardSpec, key: SigningKey | VerifyingKey, *, keeping: Keeping = KEEPING
    ) -> None:
        self._blobs = blobs
        self._spec = spec
        self._key = key
        self._keeping = keeping
        self._known: dict[SnapshotRef, Kept] = {}
        self._lowest: Mapping[TopicPartition, int] = {}
        self._lowest_at: Micros | None = None
        self.models = ModelStore(blobs, spec.app, key)

    def put(self, snapshot: Snapshot, lowest: Callable[[], Mapping[TopicPartition, int]] = dict) -> SnapshotRef:
        """Store durably; only then may a commit record name it. Then delete what needn't be kept any more.

        `lowest` tells the first offset that each input still holds; it is asked now and then. Raises `SnapshotNotWritten`.
        """
        content = self._encode(snapshot)
        digest = hashlib.sha256(content).hexdigest()
        standing = snapshot.standing
        ref = SnapshotRef(digest, standing.seq - 1)
        try:
            self._blobs.put(self._name(ref.seq, digest), content)
        except (RivergateError, OSError) as e:
            raise SnapshotNotWritten(
                f"no snapshot after commit {ref.seq}: {e}",
                where=self._name(ref.seq, digest),
                remedy="make room in the snapshot store, or mend its access; until then a recovery replays more of the log",
            ) from e
        try:
            self._thin(ref, standing.snapshot, standing.clock, lowest)
        except (RivergateError, OSError) as e:
            _LOG.warning("%s: old snapshots are kept until the next one is taken: %s", self._spec.name, e)
        return ref

    def _thin(
        self,
        newest: SnapshotRef,
        named: SnapshotRef | None,
        clock: Micros,
        lowest: Callable[[], Mapping[TopicPartition, int]],
    ) -> None:
        """The one that the newest commit record names stays until another is named: commits that fail leave others behind."""
        stored = [self._kept(r) for r in self._stored()]
        if len(stored) <= self._keeping.newest:
            return
        if self._lowest_at is None or clock - self._lowest_at >= LOOK_EVERY:
            self._lowest, self._lowest_at = lowest(), clock
        for old in self._keeping.superfluous(stored, newest.seq, self._lowest):
            if old == named:
                continue
            self._blobs.delete(self._name(old.seq, old.digest))
            del self._known[old]

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

    def _kept(self, ref: SnapshotRef) -> Kept:
        """What a stored snapshot says of itself; it is read once. One that says nothing is the oldest of all."""
        if ref not in self._known:
            try:
                content = self._blobs.get(self._name(ref.seq, ref.digest), HEAD_BYTES)
                head = head_of(_MAGIC, content)[0]
                self._known[ref] = Kept(ref, head["clock"], {(t, p): o for t, p, o in head["positions"]})
            except (KeyError, ValueError):
                self._known[ref] = Kept(ref, 0, {})
        return self._known[ref]

    def _stored(self) -> list[SnapshotRef]:
        """What else lies in the folder isn't ours: file browsers, network file systems and copies leave files there."""
        names = (_NAME.fullmatch(name.removeprefix(self._folder)) for name in self._blobs.names(self._folder))
        return [SnapshotRef(name[2], int(name[1])) for name in names if name is not None]

    @property
    def _folder(self) -> str:
        return f"{self._spec.app}/{self._spec.stage}/{self._spec.shard}/"

    def _name(self, seq: int, digest: str) -> str:
        return f"{self._folder}{seq:012d}-{digest}"

    def _encode(self, snapshot: Snapshot) -> bytes:
        s = snapshot.standing
        return seal(
            _MAGIC,
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
                **({} if s.adopted is None else {"adopted": asdict(s.adopted)}),
            },
            snapshot.state,
            self._key,
        )

    def _decode(self, content: bytes, name: str) -> Snapshot:
        try:
            head, state = unseal(_MAGIC, content, self._key.public)
        except ValueError as e:
            raise SnapshotCorrupt("isn't signed by this app's snapshot key", where=name, remedy=_REMEDY) from e
        if (head["app"], head["stage"], head["shard"]) != (self._spec.app, self._spec.stage, self._spec.shard):
            raise SnapshotCorrupt(f"is of {head['app']}/{head['stage']}/{head['shard']}", where=name, remedy=_REMEDY)
        positions: dict[TopicPartition, int] = {(t, p): o for t, p, o in head["positions"]}
        clock: Micros = head["clock"]
        began = Began.from_value(head["began"]) if "began" in head else None
        adopted = Adopted(**head["adopted"]) if "adopted" in head else None
        standing = Standing(
            head["seq"], head["epoch"], clock, head["digest"], positions, None, head["journal_offset"], began, adopted
        )
        return Snapshot(standing, head["code"], head["versions"], state)


_REMEDY = "the shard goes on from an older snapshot or from the log; restore the snapshot store from its backup"
