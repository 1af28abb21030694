"""Topics in memory: records, transactions that name and chain what they write, and a place to plant faults."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from tests.checker import Evidence
from tests.checker.line import Line, Partition

APP = "tiny"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
CODE = "c" * 64


def sha256_hex(value: Any) -> str:
    """Hex SHA-256 over RFC 8785."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def rfc3339(at: datetime) -> str:
    """UTC with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Signer:
    """An Ed25519 key that signs JSON objects; always the same one for a name."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The object with `key_id` and `signature`."""
        unsigned = {**value, "key_id": self.key_id}
        return {**unsigned, "signature": base64.b64encode(self._key.sign(rfc8785.dumps(unsigned))).decode()}


@dataclass
class Draft:
    """A record before it is written, open to a fault. `beside` are written after it, `copies` 0 leaves it out."""

    topic: str
    partition: int
    key: bytes
    value: Any
    headers: dict[str, bytes]
    signer: Signer | None = None
    copies: int = 1
    beside: list[Draft] = field(default_factory=list)

    def raw(self) -> bytes:
        """The value's bytes, signed where that is asked for."""
        if isinstance(self.value, bytes):
            return self.value
        return json.dumps(self.signer.sign(self.value) if self.signer else self.value).encode()


Change = Callable[[Draft], None]
CommitChange = Callable[[dict[str, Any]], None]


class World:
    """Writes as stages, people and producers do. `changes` and `commit_changes` are faults by the name of a record."""

    def __init__(self, changes: Mapping[str, Change], commit_changes: Mapping[str, CommitChange]) -> None:
        self._changes, self._commit_changes = changes, commit_changes
        self.log: dict[Partition, list[Line]] = defaultdict(list)
        self.partitions: dict[str, int] = {}
        self.committed: dict[str, dict[Partition, tuple[int, str]]] = defaultdict(dict)
        self.now = START
        self._next: dict[Partition, int] = defaultdict(int)
        self._seq: dict[tuple[str, int], int] = defaultdict(int)
        self._digest: dict[tuple[str, int], str] = defaultdict(lambda: "0" * 64)
        self._at: dict[tuple[str, str, int], int] = defaultdict(int)

    def evidence(self, operator: Signer, *, settled: bool = True) -> Evidence:
        """What a checker would read."""
        lines: dict[str, list[Line]] = defaultdict(list)
        for (topic, _), found in self.log.items():
            lines[topic] += found
        ordered = {t: sorted(xs, key=lambda x: (x.partition, x.offset)) for t, xs in lines.items()}
        return Evidence(APP, ordered, self.partitions, self.committed, {}, settled, operator.public)

    def put(self, name: str, draft: Draft) -> list[Line]:
        """Write a record outside of all commits."""
        return [self._append(d, {}) for d in self._changed(name, draft)]

    def end(self, topic: str, partition: int) -> int:
        """The offset that comes next."""
        return self._next[topic, partition]

    def commit(
        self,
        stage: str,
        shard: int,
        name: str,
        reads: Sequence[tuple[str, int, int | None]] = (),
        writes: Mapping[str, Draft] | None = None,
        spans: Mapping[str, Draft] | None = None,
        **fields: Any,
    ) -> None:
        """One transaction. `reads` are topic, partition and where to stop; None is the end. `fields` override."""
        self.now += timedelta(milliseconds=10)
        ranges: list[list[Any]] = []
        for t, p, to in reads:
            ranges.append([t, p, self._at[stage, t, p], self.end(t, p) if to is None else to])
            self._at[stage, t, p] = ranges[-1][3]
        value: dict[str, Any] = {
            "stage": stage,
            "shard": shard,
            "seq": self._seq[stage, shard],
            "epoch": 3,
            "clock": rfc3339(self.now),
            "previous": self._digest[stage, shard],
            "ranges": ranges,
            "broadcast": [],
            "open": [],
            "skipped": [],
            "code": CODE,
            "snapshot": None,
            "worker": f"{stage}-0-1a2b",
        } | fields
        if name in self._commit_changes:
            self._commit_changes[name](value)
        self._write(stage, shard, value, writes or {}, spans or {})

    def _write(
        self, stage: str, shard: int, v: dict[str, Any], writes: Mapping[str, Draft], spans: Mapping[str, Draft]
    ) -> None:
        prefix = f"{stage}/{shard}/{v['seq']}/"
        stamp = {"ce_source": f"/rivergate/{APP}/{stage}".encode(), "ce_time": v["clock"].encode()}
        for draft in writes.values():
            draft.headers = {**stamp, **draft.headers} if "ce_type" in draft.headers else draft.headers
        outputs = [d for n, draft in writes.items() for d in self._changed(n, draft)]
        written = [self._append(d, {"rg_commit": f"{prefix}{n}".encode()}) for n, d in enumerate(outputs)]
        spanned = [d for n, draft in spans.items() for d in self._changed(n, draft)]
        traced = [self._append(d, {"rg_commit": f"{prefix}s{n}".encode()}) for n, d in enumerate(spanned)]
        v["outputs"] = dict(Counter(x.topic for x in written))
        v["spans"] = {"records": len(traced), "digest": hashlib.sha256(_framed([x.value for x in traced])).hexdigest()}
        v["digest"] = _chained(v, written)
        journal = Draft(f"{APP}.journal.{stage}", shard, b"", v, {})
        self._append(journal, {}, appended_ms=int(self.now.timestamp() * 1000))
        self._seq[stage, shard], self._digest[stage, shard] = v["seq"] + 1, v["digest"]
        for t, p, _, to in v["ranges"]:
            if t not in v["broadcast"]:
                note = json.dumps({"seq": v["seq"], "digest": v["digest"]})
                self.committed[f"{APP}.{stage}"][t, p] = (to, note)
        for place in {(x.topic, x.partition) for x in (*written, *traced)} | {(journal.topic, shard)}:
            self._next[place] += 1  # the transaction's marker

    def _changed(self, name: str, draft: Draft) -> list[Draft]:
        if name in self._changes:
            self._changes[name](draft)
        return [draft] * draft.copies + draft.beside

    def _append(self, d: Draft, headers: dict[str, bytes], appended_ms: int | None = None) -> Line:
        place = (d.topic, d.partition)
        line = Line(d.topic, d.partition, self._next[place], d.key, d.raw(), d.headers | headers, appended_ms)
        self._next[place] += 1
        self.log[place].append(line)
        return line

    def drop(self, wanted: Callable[[Line], bool]) -> None:
        """Lose a record that was written."""
        for place, lines in self.log.items():
            self.log[place] = [x for x in lines if not wanted(x)]

    def alter(self, wanted: Callable[[Line], bool], value: bytes) -> None:
        """Change the value of a record that was written."""
        for place, lines in self.log.items():
            self.log[place] = [replace(x, value=value) if wanted(x) else x for x in lines]


def span(name: str, trace: str, proposal_id: str, stage: str, shard: int, **attributes: str) -> Draft:
    """A span record with one span."""
    data = TracesData()
    made = (
        data.resource_spans.add()
        .scope_spans.add()
        .spans.add(name=name, trace_id=bytes.fromhex(trace), span_id=b"12345678")
    )
    for key, value in {"rivergate.proposal.id": proposal_id, **attributes}.items():
        made.attributes.add(key=key).value.string_value = value
    headers = {"content-type": b"application/x-protobuf"}
    return Draft(f"{APP}.otlp_spans", shard, stage.encode(), data.SerializeToString(), headers)


def _framed(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def _chained(v: Mapping[str, Any], written: Sequence[Line]) -> str:
    parts: list[bytes] = []
    for x in written:
        identity = [x.headers.get(h, b"") for h in ("ce_id", "ce_type", "traceparent")]
        parts += [x.topic.encode(), x.key, *identity, x.value]
    meta = {n: v[n] for n in ("stage", "shard", "seq", "clock", "ranges", "skipped", "code")}
    return hashlib.sha256(bytes.fromhex(v["previous"]) + _framed([*parts, rfc8785.dumps(meta)])).hexdigest()
