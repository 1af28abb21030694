"""Importing models: from a pickle, or from a snapshot of another app, into an app's store, signed with its key.

Nothing is unpickled here: a process of its own tries it, without any variable that the app declares.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BadInput, SnapshotCorrupt
from rivergate.domain.journal import SnapshotRef
from rivergate.domain.signing import SigningKey, VerifyingKey
from rivergate.kernel.models import LOADED_BY, ImportedModel, ModelNote, ModelStore
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import Snapshot, SnapshotStore
from rivergate.runtime import keys
from rivergate.runtime.code import versions
from rivergate.runtime.paths import DataDir
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.spec import AppRef, ProcessSpec

_SNAPSHOT = re.compile(r"(?P<app>[^/@\s]+)/(?P<stage>agent-[^/@\s]+)/(?P<shard>\d{1,6})(?:@(?P<seq>\d{1,15}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """The app that a model is imported for: its data directory, and its store where that isn't in there."""

    app: str
    data: DataDir
    snapshots: str | None = None

    def store(self) -> ModelStore:
        """Its models, to be read. Raises `BadInput` where none can have been imported, `ConfigError`."""
        if not (self.data.keys / f"{keys.SNAPSHOTS}.pub").exists():
            raise BadInput(
                f"app {self.app} has no models: it has no keys yet",
                where=str(self.data.root),
                remedy="import one with `rivergate models import`, or name the app's data directory with --data-dir",
            )
        return self._store(VerifyingKey(keys.load_public(self.data.keys, keys.SNAPSHOTS)))

    def store_to_sign(self) -> ModelStore:
        """Its models, to be added to. Its keys are made where it has none yet. Raises `BadInput`, `ConfigError`."""
        keys.ensure_keys(self.data.make().keys)
        if self.snapshots is not None:
            self.data.demand_snapshots_at(self.snapshots)
        return self._store(keys.load_key(self.data.keys, keys.SNAPSHOTS))

    def _store(self, key: SigningKey | VerifyingKey) -> ModelStore:
        return ModelStore(FsspecBlobs(self.snapshots or self.data.snapshots), self.app, key)


@dataclass(frozen=True, slots=True)
class OtherSnapshot:
    """A snapshot of an agent of another app: `where` is `APP/STAGE/SHARD[@SEQ]`, `url` the store, `key` that app's public
    snapshot key. Without `SEQ` it is the newest. Of the agent `attribute` alone is taken, or all of it (None).
    """

    where: str
    url: str
    key: Path
    attribute: str | None = None


def app_of_snapshot(where: str) -> str:
    """Which app's it is. Raises `BadInput`."""
    return _parts(where)["app"]


def import_file(place: Place, file: Path, who: str, why: str) -> ImportedModel:
    """Vouch for a pickle as it stands in a file. Raises `BadInput`, `ConfigError`."""
    try:
        content = file.read_bytes()
    except OSError as e:
        raise BadInput(f"can't be read: {e.strerror}", where=str(file), remedy="name a file that pickle wrote") from e
    source = {"file": file.name, "sha256": hashlib.sha256(content).hexdigest()}
    make, content = _tried(place.app, content, is_state=False, attribute=None)
    return _vouched(place, make, source, content, who, why)


def import_snapshot(place: Place, other: OtherSnapshot, who: str, why: str) -> ImportedModel:
    """Vouch for what an agent of another app has learnt. Raises `BadInput`, `ConfigError`, `SnapshotCorrupt`."""
    ref, snapshot = _snapshot(other)
    _demand_same_versions(snapshot, other.where)
    where = f"{other.where.partition('@')[0]}@{ref.seq}" + (f".{other.attribute}" if other.attribute else "")
    make, content = _tried(place.app, snapshot.state, is_state=True, attribute=other.attribute)
    return _vouched(place, make, {"snapshot": where, "sha256": ref.digest}, content, who, why)


def _vouched(place: Place, make: str, source: dict[str, str], content: bytes, who: str, why: str) -> ImportedModel:
    store = place.store_to_sign()
    note = ModelNote(who, rfc3339(time.time_ns() // 1000), why, make, source, versions())
    found = store.get(store.put(note, content))
    if place.snapshots is not None:
        place.data.note_snapshots(
            place.snapshots
        )  # only now: what doesn't take a model is no place for the app's snapshots
    return found


def _tried(app: str, content: bytes, *, is_state: bool, attribute: str | None) -> tuple[str, bytes]:
    """What it is, and the bytes to keep: those that were given, or what is taken out of a state."""
    with tempfile.TemporaryDirectory() as folder:
        file, into = Path(folder) / "given.pkl", Path(folder) / "taken.pkl"
        file.write_bytes(content)
        ask = {"what": "model", "file": str(file), "is_state": is_state, "attribute": attribute, "into": str(into)}
        found = ask_own_process(ProcessSpec("replay", "", "import", AppRef("", app, 0), "", folder), ask)
        return found["make"], into.read_bytes() if is_state else content


def _parts(where: str) -> dict[str, str]:
    found = _SNAPSHOT.fullmatch(where)
    if found is None:
        raise BadInput(
            f"{where!r} names no snapshot of an agent",
            remedy="write APP/STAGE/SHARD or APP/STAGE/SHARD@SEQ, as in plant/agent-watcher/0@1200",
        )
    return found.groupdict()


def _snapshot(other: OtherSnapshot) -> tuple[SnapshotRef, Snapshot]:
    parts = _parts(other.where)
    spec = ShardSpec(parts["app"], parts["stage"], int(parts["shard"]), (), "", "")
    store = SnapshotStore(FsspecBlobs(other.url), spec, VerifyingKey(keys.public_of(other.key)))
    stored = store.stored()
    wanted = [r for r in stored if parts["seq"] is None or r.seq == int(parts["seq"])]
    if not wanted:
        have = (
            f"there are those after commits {', '.join(str(r.seq) for r in stored)}"
            if stored
            else "name its store with --store; a drain (SIGTERM) leaves a snapshot"
        )
        raise BadInput(f"there is no snapshot {other.where}", where=other.url, remedy=have)
    try:
        return wanted[-1], store.get(wanted[-1])
    except SnapshotCorrupt as e:
        raise SnapshotCorrupt(e.what, where=e.where, remedy="take another one, or give the right key with --key") from e


def _demand_same_versions(snapshot: Snapshot, where: str) -> None:
    """A snapshot says what it was written with."""
    here = versions()
    changed = [
        f"{k} {snapshot.versions.get(k)}, here is {here[k]}" for k in LOADED_BY if snapshot.versions.get(k) != here[k]
    ]
    if changed:
        raise BadInput(
            f"was written with {'; '.join(changed)}",
            where=where,
            remedy="import it where the same versions are installed, or restart that app on these first",
        )
