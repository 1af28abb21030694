"""The span of a batch: what a commit read, linked to the spans of the events that led to something."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rivergate.domain.ids import span_id_of, trace_id_of_commit
from rivergate.domain.journal import Range
from rivergate.domain.record import Record
from rivergate.domain.span import CONSUMER, AttributeValue, Span
from rivergate.kernel.shard import ShardSpec

MAX_LINKS = 128


def of(
    spec: ShardSpec,
    seq: int,
    ranges: Sequence[Range],
    records: int,
    caused: Sequence[Span],
    letters: Sequence[tuple[Record, str]],
    started_ns: int,
) -> Span:
    """Span `process {topics}`; a trace of its own, since a batch has many causes. Dead letters become its events."""
    now = time.time_ns()
    commit_name = f"{spec.stage}/{spec.shard}/{seq}"
    topics = sorted({r.topic for r in ranges})
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": spec.group,
        "messaging.batch.message_count": records,
        "rivergate.commit": commit_name,
        "rivergate.ranges": [f"{r.topic}/{r.partition}[{r.start},{r.end})" for r in ranges],
    }
    if topics:
        attributes["messaging.destination.name"] = ",".join(topics)
    if spec.stage.startswith("agent-"):
        attributes["gen_ai.agent.name"] = spec.stage.removeprefix("agent-")
    return Span(
        name=f"process {','.join(topics)}" if topics else f"tick {spec.stage}",
        trace_id=trace_id_of_commit(spec.app, spec.stage, spec.shard, seq),
        span_id=span_id_of(spec.app, commit_name),
        kind=CONSUMER,
        start_ns=started_ns,
        end_ns=now,
        attributes=attributes,
        links=[(s.trace_id, s.span_id) for s in caused[:MAX_LINKS]],
        events=[
            ("dead letter", now, {"rivergate.origin": str(r.position), "exception.message": w}) for r, w in letters
        ],
        error=f"{len(letters)} dead letters" if letters else "",
    )
