"""The commit record: one line per transaction, the authority on where a shard stands."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import orjson

from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import ZERO_DIGEST, canonical, framed
from rivergate.domain.record import Headers, Output


class Range(NamedTuple):
    """Half-open range of offsets that was read, `[start, end)`."""

    topic: str
    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """The newest snapshot: its content's SHA-256 and the sequence after which it was taken."""

    digest: str
    seq: int


OPEN_END = 2**53 - 1
"""End of a range of the past that nobody knows yet: the shard is held. JSON's numbers are exact up to here."""


@dataclass(frozen=True, slots=True)
class Began:
    """How a shard begins with history: where (`beginning`, or RFC 3339), when it was opened first (RFC 3339), and what of
    each input was past by then. See `kernel.catching_up`, and `kernel.holding` for a past without an end.
    """

    start: str
    at: str
    past: tuple[Range, ...]

    @property
    def held(self) -> bool:
        """Whether the past has no end yet."""
        return any(r.end == OPEN_END for r in self.past)

    def to_value(self) -> dict[str, Any]:
        """As it stands in a commit record and in a snapshot's head."""
        return {"from": self.start, "at": self.at, "past": [list(r) for r in self.past]}

    @classmethod
    def from_value(cls, value: Any) -> Began:
        """Inverse of `to_value`. Raises KeyError, TypeError, ValueError."""
        parse_rfc3339(value["at"])
        _demand_ranges(value["past"])
        return cls(value["from"], value["at"], tuple(Range(*r) for r in value["past"]))


@dataclass(frozen=True, slots=True)
class Adopted:
    """The imported model that a shard begins with: hex SHA-256 of its file in the store, who vouched for it, and why."""

    digest: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Muted:
    """What a commit would have written, had it not been muted: how many records for each topic, and their digest."""

    outputs: dict[str, int]
    digest: str

    @classmethod
    def of(cls, outputs: Sequence[Output]) -> Muted:
        """These outputs, in order."""
        return cls(dict(Counter(o.topic for o in outputs)), hashlib.sha256(_framed_outputs(outputs)).hexdigest())


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """See `docs/reference/wire.md`. `clock` is RFC 3339, `epoch` grows with every new owner."""

    stage: str
    shard: int
    seq: int
    epoch: int
    clock: str
    ranges: tuple[Range, ...]
    outputs: dict[str, int]
    spans_records: int
    spans_digest: str
    code: str
    digest: str
    previous: str
    worker: str
    skipped: tuple[tuple[str, int, int], ...] = ()
    broadcast: tuple[str, ...] = ()
    open: tuple[tuple[str, int, int], ...] = ()
    snapshot: SnapshotRef | None = None
    accepted_code: dict[str, str] | None = field(default=None)
    positions: tuple[tuple[str, int, int], ...] = ()
    """Where a performer reads on in each partition; a transactor's follow from its ranges."""
    since: tuple[tuple[str, int, int], ...] = ()
    """A performer's: before these offsets nothing was written of what is open, so a successor reads from here."""
    began: Began | None = None
    """In the first record of a shard that begins with history, in one that passes over what retention had removed of it, and in
    the one that releases a held shard; what is in its
    ranges was passed over, not read.
    """
    muted: Muted | None = None
    """In every record until it has caught up."""
    adopted: Adopted | None = None
    """In the first record of a shard that begins with an imported model; nothing was read in it."""

    def to_json(self) -> bytes:
        """The wire form."""
        value: dict[str, Any] = asdict(self)
        value["ranges"] = [list(r) for r in self.ranges]
        value["skipped"] = [list(s) for s in self.skipped]
        value["open"] = [list(o) for o in self.open]
        value["spans"] = {"records": value.pop("spans_records"), "digest": value.pop("spans_digest")}
        if value["accepted_code"] is None:
            del value["accepted_code"]
        value["positions"] = [list(p) for p in self.positions]
        value["since"] = [list(s) for s in self.since]
        value["began"] = self.began and self.began.to_value()
        for name in ("positions", "since", "began", "muted", "adopted"):
            if not value[name]:
                del value[name]
        return orjson.dumps(value)

    @classmethod
    def from_json(cls, raw: bytes, where: str = "") -> CommitRecord:
        """Read the wire form; unknown fields are ignored. Raises BadInput."""
        try:
            v = orjson.loads(raw)
            _demand_kinds(v)
            snapshot, began, muted, adopted = v["snapshot"], v.get("began"), v.get("muted"), v.get("adopted")
            return cls(
                stage=v["stage"],
                shard=v["shard"],
                seq=v["seq"],
                epoch=v["epoch"],
                clock=v["clock"],
                ranges=tuple(Range(*r) for r in v["ranges"]),
                outputs=v["outputs"],
                spans_records=v["spans"]["records"],
                spans_digest=v["spans"]["digest"],
                code=v["code"],
                digest=v["digest"],
                previous=v["previous"],
                worker=v["worker"],
                skipped=tuple((t, p, o) for t, p, o in v["skipped"]),
                broadcast=tuple(v["broadcast"]),
                open=tuple((t, p, o) for t, p, o in v["open"]),
                snapshot=None if snapshot is None else SnapshotRef(snapshot["digest"], snapshot["seq"]),
                accepted_code=v.get("accepted_code"),
                positions=tuple((t, p, o) for t, p, o in v.get("positions", ())),
                since=tuple((t, p, o) for t, p, o in v.get("since", ())),
                began=None if began is None else Began.from_value(began),
                muted=None if muted is None else Muted(muted["outputs"], muted["digest"]),
                adopted=None if adopted is None else Adopted(adopted["digest"], adopted["who"], adopted["why"]),
            )
        except (KeyError, TypeError, ValueError) as e:
            raise BadInput(f"not a commit record: {e!r}", where=where, remedy=RESTRICT) from e


RESTRICT = "something else writes to the journal: restrict the topic to its stage with ACLs"

_KINDS = {int: ("shard", "seq", "epoch"), str: ("stage", "clock", "code", "digest", "previous", "worker")}


def _demand_kinds(value: Any) -> None:
    """What is counted and compared has to be of its kind. Raises TypeError, ValueError, KeyError."""
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of an object")
    for kind, fields in _KINDS.items():
        for name in fields:
            if type(value[name]) is not kind:
                raise TypeError(f"{name} is {value[name]!r}")
    parse_rfc3339(value["clock"])
    for name in ("digest", "previous"):
        if len(bytes.fromhex(value[name])) != len(ZERO_DIGEST) // 2:
            raise ValueError(f"{name} is {value[name]!r}")
    _demand_ranges(value["ranges"])


def _demand_ranges(ranges: Any) -> None:
    for topic, partition, start, end in ranges:
        if [type(x) for x in (topic, partition, start, end)] != [str, int, int, int]:
            raise TypeError(f"ranges are {ranges!r}")


def chain_digest(  # noqa: PLR0913 - the digest covers as many things
    previous: str,
    outputs: Iterable[Output],
    *,
    stage: str,
    shard: int,
    seq: int,
    clock: str,
    ranges: Iterable[Range],
    skipped: Iterable[tuple[str, int, int]],
    code: str,
) -> str:
    """Digest of a commit: all before it, each output in order, and what was read under which clock and code."""
    meta = {
        "stage": stage,
        "shard": shard,
        "seq": seq,
        "clock": clock,
        "ranges": [list(r) for r in ranges],
        "skipped": [list(s) for s in skipped],
        "code": code,
    }
    hashed = hashlib.sha256(bytes.fromhex(previous))
    hashed.update(_framed_outputs(outputs))
    hashed.update(framed([canonical(meta)]))
    return hashed.hexdigest()


class _Lengths(dict[int, bytes]):
    """Lengths as they stand before a part: most parts of a commit have one of a few."""

    def __missing__(self, length: int) -> bytes:
        made = self[length] = length.to_bytes(4, "big")
        return made


def _framed_outputs(outputs: Iterable[Output]) -> bytes:
    """`framed` of all parts of all outputs, in one pass."""
    pieces: list[bytes] = []
    lengths = _Lengths()
    topics: dict[str, bytes] = {}
    for o in outputs:
        topic = topics.get(o.topic)
        if topic is None:
            topic = topics[o.topic] = framed([o.topic.encode()])
        if o.raw_headers is None:
            ce_id, ce_type, trace = o.ce_id, o.ce_type, o.traceparent
        else:
            ce_id, ce_type, trace = _identity(o.raw_headers)
        key, value = o.key or b"", o.value or b""
        pieces += (topic, lengths[len(key)], key, lengths[len(ce_id)], ce_id)
        pieces += (lengths[len(ce_type)], ce_type, lengths[len(trace)], trace, lengths[len(value)], value)
    return b"".join(pieces)


def _identity(headers: Headers) -> tuple[bytes, bytes, bytes]:
    """A header may be there without a value: Kafka's null, which digests like an absent one."""
    there = dict(headers)
    return there.get("ce_id") or b"", there.get("ce_type") or b"", there.get("traceparent") or b""


def spans_digest(values: Iterable[bytes]) -> str:
    """Digest of a commit's span records; outside the chain, since spans carry wall-clock times."""
    return hashlib.sha256(framed(values)).hexdigest()


GENESIS = ZERO_DIGEST
"""`previous` of a journal's first record."""
