"""What is copied from one app to another, and what becomes of a record on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from rivergate.agents.fold import agent_inputs
from rivergate.domain import names
from rivergate.domain.errors import ConfigError
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import BY_KEY, Headers, Position, Record
from rivergate.runtime.app import App
from rivergate.topics.catalogue import Catalogue

KeyOf = Callable[[Position], bytes | None]
"""The key of a record of the log, None where it has none. Raises `KeyError` where the record isn't there any more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """App `of` is copied into app `to`. `topics` maps what is copied to where, `partitions` is the count there. `stages` are
    the agents of `to`, with the topics of `of` that each would read.
    """

    of: str
    to: str
    topics: Mapping[str, str]
    partitions: int
    stages: Mapping[str, tuple[str, ...]]

    @property
    def rekey(self) -> str:
        """The topic that says how far it is."""
        return names.topic(self.to, names.REKEY)

    @property
    def labels(self) -> str:
        """The labels that are copied."""
        return names.topic(self.of, names.LABELS)

    def partition(self, record: Record, key_of: KeyOf) -> int:
        """Where its key lies under the new count; a label lies where its event does, whatever key it has itself.

        What has no key has no order but that of its partition, which stays together.
        """
        event = _event_of(record) if record.topic == self.labels else None
        if event is not None:
            with suppress(KeyError):
                return self._of(key_of(event), event.partition)
        return self._of(None, record.partition) if record.key is None else BY_KEY

    def headers(self, record: Record) -> Headers:
        """The record's own, and where it stood, which is the event id where it has no other. The commit that wrote it is
        none of the new app's; one that was redriven is for the agent of the same name there.
        """
        kept = [(k, v) for k, v in record.headers or () if k not in _REPLACED]
        kept.append(("rg_origin", record.header("rg_origin") or str(record.position).encode()))
        source = record.header(names.RG_FOR)
        if source is not None:
            old, new = names.source(self.of, ""), names.source(self.to, "")
            kept.append((names.RG_FOR, source.replace(old.encode(), new.encode(), 1)))
        return kept

    def _of(self, key: bytes | None, partition: int) -> int:
        return partition % self.partitions if key is None else partition_of(key, self.partitions)


_REPLACED = {"rg_commit", "rg_origin", names.RG_FOR}


def _event_of(label: Record) -> Position | None:
    event = (label.json_object or {}).get("event")
    try:
        return Position(str(event["topic"]), int(event["partition"]), int(event["offset"])) if event else None
    except (KeyError, TypeError, ValueError):
        return None


def plan_of(app: App, of: str, named: Mapping[str, str]) -> Plan:
    """Everything that agents of `app` read: events, those that agents of `of` have published included, labels, messages.

    What agents publish isn't written twice by that, because agents publish nothing while they are held. `named` maps topics
    of `of` to those that `app` reads instead. Raises `ConfigError`.
    """
    if app.name == of:
        raise ConfigError(
            f"{of} can't be copied into itself", remedy="give the new one another name: --app NAME, as in --app {of}-b"
        )
    if app.graphs:
        raise ConfigError(
            f"app {app.name} has graphs, which can't be muted: they would act on all that is copied once more",
            remedy="leave them out of the app that is copied into; run them as an app of their own",
        )
    source = {new: old for old, new in named.items()}
    stages: dict[str, tuple[str, ...]] = {}
    topics: dict[str, str] = {}
    for agent in app.agents:
        events = {e.topic_in(app.name): e.topic_in(of) for e in agent.consumes}
        inputs = {
            new: source.get(new) or events.get(new) or _system(new, app.name, of)
            for new in agent_inputs(app.name, agent)
        }
        topics |= {old: new for new, old in inputs.items()}
        stages[names.agent_stage(agent.name)] = tuple(inputs.values())
    if shared := sorted(old for old, new in topics.items() if old == new):
        raise ConfigError(
            f"both apps read {', '.join(shared)}: a topic has one number of partitions",
            remedy="write {app} in the topic's name, in its file and in the event class, or name another topic there and "
            f"say which it replaces: --topic {shared[0]}=NEW",
        )
    if unread := sorted(set(named) - topics.keys()):
        raise ConfigError(f"--topic {unread[0]}={named[unread[0]]}: no agent of {app.name} reads {named[unread[0]]}")
    _demand_times_kept(app, set(topics.values()))
    return Plan(of, app.name, topics, app.partitions, stages)


def _demand_times_kept(app: App, copied_into: set[str]) -> None:
    """A broker that stamps the copies makes all of history that of the copying, and timers of then ring after the release."""
    for spec in Catalogue.for_app(app.name, app.partitions, app.stages, app.topics):
        if spec.name in copied_into and spec.declared.timestamps != "CreateTime":
            raise ConfigError(
                f"copies on {spec.name} would lose their times, by which the new agents' clock runs: its file says "
                f"`timestamps: {spec.declared.timestamps}`, so timers that have rung in the old app would ring once more",
                where=str(spec.path),
                remedy="write `timestamps: CreateTime` there for the new app, and let its producers stamp what they write",
            )


def _system(topic: str, app: str, of: str) -> str:
    return names.topic(of, topic.removeprefix(f"{app}."))
