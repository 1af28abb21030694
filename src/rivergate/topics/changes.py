"""What would have to change on the broker, and what of it is safe: a pure comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rivergate.topics.model import TopicSpec
from rivergate.topics.ports import BrokerTopic
from rivergate.topics.quantities import duration_text, size_text

Kind = Literal["create", "alter", "refuse", "same"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a topic's file and the broker, or its absence (`same`).

    `what` says it in words; `config` is what `alter` sets; `reason` and `remedy` are those of a refusal.
    """

    kind: Kind
    spec: TopicSpec
    what: str
    config: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    remedy: str = ""


def diff(specs: Iterable[TopicSpec], broker: Mapping[str, BrokerTopic]) -> list[Change]:
    """What `apply` would do and what it would refuse, in the order of the specs; nothing is acted on.

    A topic can have several changes: what is safe of it is altered even if something else of it is refused.
    """
    changes: list[Change] = []
    for spec in specs:
        there = broker.get(spec.name)
        if there is None:
            changes.append(Change("create", spec, f"{spec.partitions} partition{'s' * (spec.partitions != 1)}"))
            continue
        found = [*_partitions(spec, there), *_settings(spec, there)]
        changes += found or [Change("same", spec, "as declared")]
    return changes


def _partitions(spec: TopicSpec, there: BrokerTopic) -> Iterator[Change]:
    if spec.partitions == there.partitions:
        return
    what = f"partitions {there.partitions} → {spec.partitions}"
    if spec.declared.partitions == "app":
        reason = "another number of partitions moves keys: records would part from the state that belongs to them"
        remedy = (
            f"give the app {there.partitions} partitions, as the topic has, or give it another name and so new topics"
            if spec.system
            else f"give the app {there.partitions} partitions, or copy the records to a new topic with {spec.partitions} "
            "and name that in the file"
        )
    elif spec.declared.partitions == "shards":
        reason = "a journal has one partition a shard, for ever: a shard's past can't be split or joined"
        remedy = f"run the stage with {there.partitions} shards, or give the app another name and so new topics"
    else:
        reason = "every shard reads this topic whole and in order, so it has exactly one partition"
        remedy = "delete the topic if nothing on it is needed, or give the app another name and so new topics"
    yield Change("refuse", spec, what, reason=reason, remedy=remedy)


def _settings(spec: TopicSpec, there: BrokerTopic) -> Iterator[Change]:
    for setting, wanted in spec.config.items():
        present = there.config.get(setting, "")
        if present != wanted:
            yield _RULES[setting](spec, there, present, wanted)


def _cleanup(spec: TopicSpec, there: BrokerTopic, present: str, wanted: str) -> Change:
    what = f"cleanup.policy {present} → {wanted}"
    if not there.written:
        return Change("alter", spec, what, {"cleanup.policy": wanted})
    if wanted == "compact":
        reason = "compaction removes records for ever: whoever has to read them again finds gaps"
        remedy = "keep `retention` in the file, or declare a new topic that is compacted from its start"
    else:
        reason = "the topic was compacted, so records are missing on it already, and a retention would remove more"
        remedy = "keep `cleanup: compact` in the file, or declare a new topic with a retention"
    return Change("refuse", spec, what, reason=reason, remedy=remedy)


def _retention_ms(spec: TopicSpec, there: BrokerTopic, present: str, wanted: str) -> Change:
    return _kept(spec, there, "retention.ms", present, wanted, duration_text)


def _retention_bytes(spec: TopicSpec, there: BrokerTopic, present: str, wanted: str) -> Change:
    return _kept(spec, there, "retention.bytes", present, wanted, lambda n: "no limit" if n < 0 else size_text(n))


def _kept(
    spec: TopicSpec, there: BrokerTopic, setting: str, present: str, wanted: str, text: Callable[[int], str]
) -> Change:
    now, then = _number(present), int(wanted)
    what = f"{setting} {text(now)} → {text(then)}"
    longer = then < 0 or (now >= 0 and then > now)
    if longer or not there.written or there.config.get("cleanup.policy") == "compact":
        return Change("alter", spec, what, {setting: wanted})
    return Change(
        "refuse",
        spec,
        what,
        reason="a shorter retention removes records that are there now",
        remedy=f"write `retention: {text(now)}` in {spec.path.name}; to lose the data on purpose, change the topic "
        f"with Kafka's own tool: kafka-configs.sh --alter --entity-type topics --entity-name {spec.name} "
        f"--add-config {setting}={wanted}",
    )


def _max_message_bytes(spec: TopicSpec, there: BrokerTopic, present: str, wanted: str) -> Change:
    now, then = _number(present), int(wanted)
    what = f"max.message.bytes {size_text(now)} → {size_text(then)}"
    if then > now or not there.written:
        return Change("alter", spec, what, {"max.message.bytes": wanted})
    return Change(
        "refuse",
        spec,
        what,
        reason="records as large as today's limit may be there or on their way, and couldn't be written or moved again",
        remedy=f"write `max_message_bytes: {now}` in {spec.path.name}",
    )


def _timestamps(spec: TopicSpec, there: BrokerTopic, present: str, wanted: str) -> Change:
    what = f"message.timestamp.type {present} → {wanted}"
    if not there.written:
        return Change("alter", spec, what, {"message.timestamp.type": wanted})
    return Change(
        "refuse",
        spec,
        what,
        reason="the topic holds records already, and their times would mean something else than those to come",
        remedy=f"write `timestamps: {present}` in {spec.path.name}, or declare a new topic"
        if not spec.system
        else "give the app another name and so new topics; this one wasn't created by `rivergate topics apply`",
    )


def _number(text: str) -> int:
    return int(text) if text else 0


_RULES: Final[dict[str, Callable[[TopicSpec, BrokerTopic, str, str], Change]]] = {
    "cleanup.policy": _cleanup,
    "retention.ms": _retention_ms,
    "retention.bytes": _retention_bytes,
    "max.message.bytes": _max_message_bytes,
    "message.timestamp.type": _timestamps,
}
