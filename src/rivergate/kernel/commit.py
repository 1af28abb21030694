"""One commit: what it consists of, and the numbered steps that write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.journal import CommitRecord, Muted, Range, chain_digest, spans_digest
from rivergate.domain.record import Headers, Output, Record
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import ShardLog

Hook = Callable[[str], None]
"""Called between the steps of a commit with the step's name; tests crash the process there."""


def no_hook(step: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit that is ready to be written."""

    record: CommitRecord
    outputs: Sequence[Output]
    spans: Sequence[bytes]


def prepare(
    spec: ShardSpec,
    standing: Standing,
    *,
    clock: Micros,
    ranges: Sequence[Range],
    outputs: Sequence[Output],
    spans: Sequence[bytes] = (),
    skipped: Sequence[tuple[str, int, int]] = (),
    unfinished: Sequence[tuple[str, int, int]] = (),
) -> Prepared:
    """Number and digest what a fold gave. `unfinished` is what a performer has read and not finished.

    Of a shard that hasn't caught up, only dead letters are written; the rest is counted and digested as muted.
    """
    muted = None
    if standing.began is not None:
        muted = Muted.of([o for o in outputs if o.raw_headers is None])
        outputs = [o for o in outputs if o.raw_headers is not None]
    clock_text = rfc3339(clock)
    digest = chain_digest(
        standing.digest,
        outputs,
        stage=spec.stage,
        shard=spec.shard,
        seq=standing.seq,
        clock=clock_text,
        ranges=ranges,
        skipped=skipped,
        code=spec.code,
    )
    record = CommitRecord(
        stage=spec.stage,
        shard=spec.shard,
        seq=standing.seq,
        epoch=standing.epoch,
        clock=clock_text,
        ranges=tuple(ranges),
        outputs=dict(Counter(o.topic for o in outputs)),
        spans_records=len(spans),
        spans_digest=spans_digest(spans),
        code=spec.code,
        digest=digest,
        previous=standing.digest,
        worker=spec.worker,
        skipped=tuple(skipped),
        broadcast=spec.broadcast,
        open=tuple(unfinished),
        snapshot=standing.snapshot,
        accepted_code=spec.accept_new_code,
        muted=muted,
    )
    return Prepared(record, outputs, spans)


Ending = Callable[[Callable[[], None]], None]
"""Takes the steps of a commit that wait for the broker, now or elsewhere."""


def at_once(steps: Callable[[], None]) -> None:
    """Take them here and now."""
    steps()


def commit(log: ShardLog, spec: ShardSpec, prepared: Prepared, hook: Hook = no_hook, ending: Ending = at_once) -> None:
    """Write a commit: all of it becomes visible at once, or nothing.

    `ending` is given the last steps, which do nothing but wait. Raises `TransactionAborted` (nothing is visible; rebuild),
    `CommitUnknown` (recycle the producer and ask the journal), `Fenced` (somebody else owns the shard; drop it).
    """
    record = prepared.record
    hook("begin")
    # 1. Begin. From here on the broker aborts by itself if we die or fall silent.
    log.begin()
    hook("outputs")
    # 2. Outputs, numbered, so that anybody can see that none is missing.
    headers_of = stamp(spec, record)
    write = log.write
    for n, o in enumerate(prepared.outputs):
        write(o.topic, o.partition, o.key, o.value, headers_of(o, n))
    hook("spans")
    # 3. Spans of the same work: an action without its trace can't exist.
    spans_topic = names.topic(spec.app, names.OTLP_SPANS)
    name = f"{spec.stage}/{spec.shard}/{record.seq}/s"
    for n, value in enumerate(prepared.spans):
        headers: Headers = [("content-type", b"application/x-protobuf"), ("rg_commit", f"{name}{n}".encode())]
        write(spans_topic, spec.shard, spec.stage.encode(), value, headers)
    hook("journal")
    # 4. The commit record: the authority on where the shard stands.
    log.write_journal(record.to_json())

    def end() -> None:
        hook("offsets")
        # 5. Input offsets, for tools and for the broker's lag figures; a commit without ranges has none.
        offsets = {(r.topic, r.partition): r.end for r in record.ranges if r.topic not in spec.broadcast}
        if offsets:
            log.send_offsets(offsets, orjson.dumps({"seq": record.seq, "digest": record.digest}).decode())
        hook("commit")
        # 6. Commit. Offsets go last: nothing read is ever marked as done before its outputs are there.
        log.commit()
        hook("committed")

    ending(end)


def stamp(spec: ShardSpec, record: CommitRecord) -> Callable[[Output, int], Headers]:
    """Headers of the commit's outputs; what is equal for all of them is built once."""
    common: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_source", names.source(spec.app, spec.stage).encode()),
        ("ce_time", record.clock.encode()),
        ("content-type", b"application/json"),
    ]
    muted: Headers = [] if record.muted is None else [(names.RG_MUTED, b"true")]
    prefix = f"{spec.stage}/{spec.shard}/{record.seq}/".encode()

    def headers_of(o: Output, n: int) -> Headers:
        stamp = prefix + b"%d" % n
        if o.raw_headers is not None:
            return [*o.raw_headers, *muted, ("rg_commit", stamp)]
        return [
            *common,
            ("ce_id", o.ce_id),
            ("ce_type", o.ce_type),
            ("traceparent", o.traceparent),
            ("rg_commit", stamp),
        ]

    return headers_of


def dead_letter(spec: ShardSpec, record: Record, reason: str) -> Output:
    """A record that couldn't be handled: its raw bytes and headers, where it came from, and why.

    One that had been redriven keeps where it stood first, which may be its event id.
    """
    kept = [(k, v) for k, v in record.headers or () if not k.startswith("rg_")]
    origin = str(record.position).encode()
    if (first := record.header("rg_origin")) is not None:
        kept.append(("rg_first_origin", first))
    return Output(
        topic=names.topic(spec.app, names.DEAD_LETTERS),
        partition=record.partition,
        key=record.key,
        value=record.value,
        raw_headers=[*kept, ("rg_origin", origin), ("rg_reason", reason.encode(errors="replace")[:1000])],
    )
