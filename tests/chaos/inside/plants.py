"""Faults to plant into the kernel, each of them one that somebody could make: the checks have to find every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def offsets_before_outputs() -> None:
    """Offsets are committed by the consumer, ahead of the transaction."""
    from confluent_kafka import TopicPartition

    from rivergate.adapters.kafka_log import KafkaShardLog
    from rivergate.kernel import performer, transactor

    commit = transactor.commit

    def planted(log: KafkaShardLog, spec: Any, prepared: Any, hook: Any) -> None:
        record = prepared.record
        ends = [TopicPartition(r.topic, r.partition, r.end) for r in record.ranges if r.topic not in spec.broadcast]
        if ends:
            log._consumer.commit(offsets=ends, asynchronous=False)
        log.send_offsets = lambda *_: None  # type: ignore[method-assign]
        commit(log, spec, prepared, hook)

    transactor.commit = planted  # type: ignore[assignment]
    performer.commit = planted  # type: ignore[assignment]


def producer_not_recycled() -> None:
    """After a commit that nobody knows the end of, the same producer goes on."""
    from rivergate.adapters.kafka_log import KafkaShardLog

    KafkaShardLog.recycle = lambda _: None  # type: ignore[method-assign]
    KafkaShardLog._heard = lambda *_: None  # type: ignore[method-assign]
    KafkaShardLog._disconnected = lambda _: None  # type: ignore[method-assign]


def state_kept_after_abort() -> None:
    """A batch whose transaction was aborted stays in the state, and is folded again."""
    from rivergate.kernel.transactor import Transactor

    rebuild = Transactor._rebuild_state

    def planted(self: Transactor, *, new_owner: bool = False) -> None:
        if new_owner:
            rebuild(self, new_owner=True)

    Transactor._rebuild_state = planted  # type: ignore[method-assign]


def one_id_per_worker() -> None:
    """The transactional id names the worker, so whoever takes over fences nobody."""
    from rivergate.kernel.shard import ShardSpec

    ShardSpec.transactional_id = property(lambda s: f"{s.app}.{s.stage}.{s.shard}.{s.worker}")  # type: ignore[assignment]


def intent_not_awaited() -> None:
    """Deeds begin before the commit of their intents."""
    from rivergate.kernel.performer import Draft, Performer

    write = Performer._write

    def planted(self: Performer, draft: Draft, ranges: Any, records: int) -> None:
        for deed in draft.planned:
            self._deeds.start(deed)
        draft.planned = []
        write(self, draft, ranges, records)

    Performer._write = planted  # type: ignore[method-assign]


def done_again_unasked() -> None:
    """A successor does what its predecessor may have done, and asks nobody."""
    from rivergate.effects.attempts import Effects

    Effects._find_out = lambda *_: None  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[], None]] = {
    "offsets-before-outputs": offsets_before_outputs,
    "producer-not-recycled": producer_not_recycled,
    "state-kept-after-abort": state_kept_after_abort,
    "one-id-per-worker": one_id_per_worker,
    "intent-not-awaited": intent_not_awaited,
    "done-again-unasked": done_again_unasked,
}
