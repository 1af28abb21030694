"""From when on each shard of an app can be replayed, and how long its inputs still last."""

from __future__ import annotations

from typing import Any

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.domain.clock import Micros, rfc3339
from rivergate.kernel.lasting import Lasting, lasting
from rivergate.kernel.reach import Reach, reach
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import wall_clock


def reach_of(recorded: RecordedApp, stage: str, shard: int) -> Reach:
    """What of a shard can be folded again."""
    spec = recorded.shard_spec(stage, shard)
    return reach(spec, recorded.archive, recorded.snapshots(spec))


def answer(spec: ProcessSpec, _ask: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """{"shards": [{stage, shard, newest, first, since, start, recovery, why, lasts, recovery_lasts}]}.

    `start` and `recovery` are commits after which a snapshot was taken: of the earliest replay, and of a shard that
    dies now. `lasts` and `recovery_lasts` tell when retention takes their inputs: {topic, partition, until, share of
    the retention that is left}, None where nothing does.
    """
    with RecordedApp(spec, "reach") as recorded:
        told = []
        found = []
        for number, (stage, shard) in enumerate(recorded.shards):
            tell(f"looking at {stage}/{shard}", number / len(recorded.shards))
            found.append(reach_of(recorded, stage, shard))
        kept = retention_of(spec, sorted({t for r in found for t, _ in (*r.needs, *r.recovery_needs)}))
        now = wall_clock()
        for r in found:
            ends = (lasting(recorded.archive, needs, kept, now) for needs in (r.needs, r.recovery_needs))
            told.append(_told(r) | dict(zip(("lasts", "recovery_lasts"), map(_end, ends), strict=True)))
        return {"shards": told}


def retention_of(spec: ProcessSpec, topics: list[str]) -> dict[str, Micros]:
    """For how long these topics keep a record, as far as time bounds it."""
    admin = KafkaAdmin(spec.bootstrap, spec.security)
    try:
        described = admin.describe(topics)
    finally:
        admin.close()
    kept = {name: int(topic.config.get("retention.ms", "-1")) for name, topic in described.items()}
    return {name: ms * 1000 for name, ms in kept.items() if ms > 0}


def _told(found: Reach) -> dict[str, Any]:
    return {
        "stage": found.stage,
        "shard": found.shard,
        "newest": found.newest,
        "first": found.first,
        "since": None if found.first is None else rfc3339(found.since),
        "start": found.start.seq if found.start else None,
        "recovery": found.recovery.seq if found.recovery else None,
        "why": found.why,
    }


def _end(found: Lasting | None) -> dict[str, Any] | None:
    if found is None:
        return None
    topic, partition = found.partition
    return {"topic": topic, "partition": partition, "until": rfc3339(found.until), "share": found.share}
