"""Recordings: what a replay read, in one file, so that it can be done again where no broker is, as in CI."""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from rivergate.domain.clock import Micros
from rivergate.domain.errors import BadInput
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Output, Record, TopicPartition
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.states import States, differing
from rivergate.kernel.written import Written
from rivergate.ports import Blobs, Fold, LogArchive
from rivergate.runtime.code import versions

FORMAT = 1


@dataclass(slots=True)
class Recording:
    """Records, snapshots and what was asked for. `operator` is the public key that a gate believes.

    `parts` are (stage, shard, commits that were compared); what a replay needs to get there is in it too. `states` are digests
    of states after commits, by stage, shard and commit: those of the snapshots that were compared. They hold under these
    `versions`, since they are of pickles.
    """

    app: str
    operator: bytes
    parts: list[tuple[str, int, list[int]]] = field(default_factory=list)
    states: dict[tuple[str, int, int], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    records: dict[TopicPartition, dict[int, Record]] = field(default_factory=dict)
    snapshots: dict[str, bytes] = field(default_factory=dict)

    def keep(self, records: Iterable[Record]) -> None:
        """Take records in; the same one twice is one."""
        for r in records:
            self.records.setdefault((r.topic, r.partition), {})[r.offset] = r

    def save(self, path: Path) -> None:
        """Write it: gzipped lines of JSON, equal recordings to equal files."""
        head: dict[str, Any] = {
            "rivergate_recording": FORMAT,
            "app": self.app,
            "operator": self.operator.hex(),
            "parts": self.parts,
        }
        if self.states:
            head["states"] = [[*commit, digest] for commit, digest in sorted(self.states.items())]
            head["versions"] = self.versions
        lines = [orjson.dumps(head)]
        lines += [orjson.dumps({"snapshot": name, "content": _text(c)}) for name, c in sorted(self.snapshots.items())]
        for _, records in sorted(self.records.items()):
            lines += [orjson.dumps(_plain(r)) for _, r in sorted(records.items())]
        path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", mtime=0))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Inverse of `save`. Raises `BadInput`."""
        try:
            first, *rest = gzip.decompress(path.read_bytes()).splitlines()
            head = orjson.loads(first)
            if head["rivergate_recording"] != FORMAT:
                raise BadInput(
                    f"is a recording of form {head['rivergate_recording']}, this program reads {FORMAT}",
                    where=str(path),
                    remedy="save it again with `rivergate replay --save`",
                )
            found = cls(head["app"], bytes.fromhex(head["operator"]), [(s, n, q) for s, n, q in head["parts"]])
            found.states = {(stage, shard, seq): digest for stage, shard, seq, digest in head.get("states", ())}
            found.versions = head.get("versions", {})
            for line in map(orjson.loads, rest):
                if "snapshot" in line:
                    found.snapshots[line["snapshot"]] = b64decode(line["content"])
                else:
                    found.keep([_record(line)])
        except (OSError, EOFError, ValueError, KeyError, TypeError) as e:
            raise BadInput(
                f"isn't a recording: {e!r}", where=str(path), remedy="make one with `rivergate replay --save FILE`"
            ) from e
        return found


def demand_place(path: Path) -> None:
    """Find out before a long replay that its recording couldn't be written. Raises `BadInput`."""
    was_there = path.exists()
    try:
        path.open("ab").close()
    except OSError as e:
        raise BadInput(
            f"can't be written: {e.strerror}", where=str(path), remedy="name a file in a folder that is there"
        ) from e
    if not was_there:
        path.unlink()


class RecordingArchive:
    """`ports.LogArchive` of a recording. What it doesn't hold counts as not written."""

    def __init__(self, recording: Recording) -> None:
        self._records = recording.records

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Records with `start <= offset < end`."""
        found = self._records.get((topic, partition), {})
        return (found[at] for at in sorted(found) if start <= at < end)

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """All records from `start` on."""
        return self.read(topic, partition, start, 1 << 62)

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset and the one after the last."""
        found = self._records.get(partition, {})
        return min(found, default=0), max(found, default=-1) + 1

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """Those that something was kept of."""
        return sorted(tp for tp in self._records if tp[0] == topic)

    def offset_at(self, partition: TopicPartition, _at: Micros) -> int:
        """The first record's: a recording keeps no stamps."""
        return self.watermarks(partition)[0]

    def close(self) -> None:
        """Nothing is held."""


class KeepingArchive(RecordingArchive):
    """Reads from another archive and keeps in a recording what was read."""

    def __init__(self, recording: Recording, archive: LogArchive) -> None:
        super().__init__(recording)
        self._recording = recording
        self._archive = archive

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """See `ports.LogReader.read`."""
        return self._kept(self._archive.read(topic, partition, start, end))

    def scan(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """See `ports.LogReader.scan`."""
        return self._kept(self._archive.scan(topic, partition, start))

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Those of the log."""
        return self._archive.watermarks(partition)

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """Those of the log."""
        return self._archive.partitions(topic)

    def offset_at(self, partition: TopicPartition, at: Micros) -> int:
        """That of the log."""
        return self._archive.offset_at(partition, at)

    def _kept(self, records: Iterable[Record]) -> Iterator[Record]:
        for r in records:
            self._recording.keep([r])
            yield r


class KeepingWritten(Written):
    """Keeps the outputs that were found, and not what others wrote beside them."""

    def __init__(self, recording: Recording, spec: ShardSpec, archive: LogArchive) -> None:
        super().__init__(spec, archive)
        self._recording = recording

    def of(self, recorded: CommitRecord, likely: Sequence[Output]) -> dict[int, Record]:
        """See `Written.of`."""
        found = super().of(recorded, likely)
        self._recording.keep(found.values())
        return found


class RecordedWritten(Written):
    """The outputs in a recording. It was compared with the log when it was made: what isn't in it was gone then."""

    def may_have_lost(self, recorded: CommitRecord, output: Output) -> bool:  # noqa: ARG002 - see `Written.may_have_lost`
        """Always."""
        return True


class KeepingStates(States):
    """Keeps the digests of what was compared, and not the snapshots: so a recording needs no key for them."""

    def __init__(self, recording: Recording, snapshots: SnapshotStore, make_fold: Callable[[], Fold]) -> None:
        super().__init__(snapshots, make_fold)
        self._recording = recording

    def difference(self, recorded: CommitRecord, fold: Fold) -> str | None:
        """See `States.difference`."""
        found = super().difference(recorded, fold)
        then = self.digest(recorded)
        if then is not None:
            self._recording.states[recorded.stage, recorded.shard, recorded.seq] = then
        return found


class RecordedStates(States):
    """Digests of states that a recording has kept. Where other versions are installed than then, none is compared, and
    `note` says so.
    """

    def __init__(self, recording: Recording) -> None:
        here = versions()
        other = [f"{name} {then}" for name, then in recording.versions.items() if here.get(name) != then]
        self._states = {} if other else recording.states
        self.note = f"its states aren't compared, since it was recorded under {', '.join(other)}" if other else ""

    def difference(self, recorded: CommitRecord, fold: Fold) -> str | None:
        """See `States.difference`."""
        then = self._states.get((recorded.stage, recorded.shard, recorded.seq))
        return None if then is None else differing(recorded.seq, then, fold.digest())


class RecordingBlobs:
    """`ports.Blobs` of a recording's snapshots; with `source`, reads from there and keeps what was read."""

    def __init__(self, recording: Recording, source: Blobs | None = None) -> None:
        self._kept = recording.snapshots
        self._source = source

    def put(self, name: str, content: bytes) -> None:
        """Keep it in the recording alone."""
        self._kept[name] = content

    def get(self, name: str, limit: int | None = None) -> bytes:
        """The bytes, or the first `limit` of them. Raises `KeyError`."""
        if self._source is not None:
            self._kept[name] = self._source.get(name)
        return self._kept[name][:limit]

    def names(self, prefix: str) -> list[str]:
        """Names below a prefix, sorted."""
        if self._source is not None:
            return self._source.names(prefix)
        return sorted(name for name in self._kept if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Forget it in the recording."""
        self._kept.pop(name, None)


def _plain(r: Record) -> dict[str, Any]:
    headers = [[name, _text(value)] for name, value in r.headers or ()]
    return {"t": r.topic, "p": r.partition, "o": r.offset, "k": _text(r.key), "v": _text(r.value), "h": headers}


def _record(line: dict[str, Any]) -> Record:
    headers = [(name, _bytes(value) or b"") for name, value in line["h"]]
    return Record(line["t"], line["p"], line["o"], _bytes(line["k"]), _bytes(line["v"]), headers or None)


def _text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
