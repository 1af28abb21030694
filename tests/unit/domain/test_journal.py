from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rivergate.domain.clock import parse_rfc3339, rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import ZERO_DIGEST
from rivergate.domain.journal import CommitRecord, Range, SnapshotRef, chain_digest
from rivergate.domain.record import Output

RECORD = CommitRecord(
    stage="agent-w",
    shard=2,
    seq=7,
    epoch=3,
    clock="2026-01-01T00:00:00.000001Z",
    ranges=(Range("t", 2, 5, 9),),
    outputs={"o": 2},
    spans_records=1,
    spans_digest="s",
    code="c",
    digest="d" * 64,
    previous="e" * 64,
    worker="w-1",
    skipped=(("t", 2, 6),),
    snapshot=SnapshotRef("x", 4),
)


def test_a_commit_record_round_trips() -> None:
    """What is written is what is read, optional parts included."""
    for record in (
        RECORD,
        replace(RECORD, snapshot=None, positions=(("t", 2, 9),), accepted_code={"who": "a", "why": "b"}),
    ):
        assert CommitRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"stage": 1}'])
def test_something_else_on_the_journal_is_a_clear_error(raw: bytes) -> None:
    """It names the place and what to do."""
    with pytest.raises(BadInput, match="not a commit record") as e:
        CommitRecord.from_json(raw, "j/0/1")
    assert e.value.where == "j/0/1"
    assert "ACL" in e.value.remedy


def _digest(outputs: list[Output], **changes: object) -> str:
    given_ = {
        "stage": "s",
        "shard": 0,
        "seq": 0,
        "clock": "c",
        "ranges": [Range("t", 0, 0, 1)],
        "skipped": [],
        "code": "k",
    }
    return chain_digest(ZERO_DIGEST, outputs, **{**given_, **changes})  # type: ignore[arg-type]


def test_the_chain_covers_every_part_of_an_output_and_of_the_commit() -> None:
    """A changed byte anywhere gives another digest."""
    output = Output("t", 0, b"k", b"v", b"id", b"type", b"tp")
    plain = _digest([output])
    changes = [
        {"topic": "u"},
        {"key": b"l"},
        {"value": b"w"},
        {"ce_id": b"j"},
        {"ce_type": b"x"},
        {"traceparent": b"y"},
    ]
    for change in changes:
        assert _digest([replace(output, **change)]) != plain  # type: ignore[arg-type]
    for change in ({"seq": 1}, {"clock": "d"}, {"ranges": []}, {"skipped": [("t", 0, 0)]}, {"code": "l"}):
        assert _digest([output], **change) != plain
    assert _digest([output, output]) != plain


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_times_round_trip_and_sort_as_texts(at: int) -> None:
    """Microseconds survive, and text order is time order."""
    assert parse_rfc3339(rfc3339(at)) == at
    assert rfc3339(at) < rfc3339(at + 1)


_BYTES = st.binary(max_size=300)
_OUTPUTS = st.lists(
    st.builds(
        Output,
        topic=st.text(max_size=9),
        partition=st.just(0),
        key=st.none() | _BYTES,
        value=st.none() | _BYTES,
        ce_id=_BYTES,
        ce_type=_BYTES,
        traceparent=_BYTES,
        raw_headers=st.none() | st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "traceparent", "x"]), _BYTES)),
    ),
    max_size=6,
)


@given(_OUTPUTS)
def test_the_chain_is_what_the_wire_contract_says(outputs: list[Output]) -> None:
    """Each part with its length before it, output after output, then the commit's own facts: as readers compute it."""
    parts: list[bytes] = []
    for o in outputs:
        named = {"ce_id": o.ce_id, "ce_type": o.ce_type, "traceparent": o.traceparent}
        if o.raw_headers is not None:
            named = dict(o.raw_headers)
        parts += [o.topic.encode(), o.key or b""]
        parts += [named.get(name, b"") for name in ("ce_id", "ce_type", "traceparent")]
        parts.append(o.value or b"")
    meta = {"stage": "s", "shard": 0, "seq": 0, "clock": "c", "ranges": [["t", 0, 0, 1]], "skipped": [], "code": "k"}
    wanted = hashlib.sha256(bytes(32))
    for part in (*parts, rfc8785.dumps(meta)):
        wanted.update(len(part).to_bytes(4, "big") + part)
    assert _digest(outputs) == wanted.hexdigest()


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "traceparent"])
def test_a_header_without_a_value_digests_like_an_absent_one(name: str) -> None:
    """Kafka has null values, and a dead letter keeps its record's headers."""
    null: list[tuple[str, bytes]] = [(name, None)]  # type: ignore[list-item]
    assert _digest([Output("t", 0, None, None, raw_headers=null)]) == _digest(
        [Output("t", 0, None, None, raw_headers=[])]
    )
