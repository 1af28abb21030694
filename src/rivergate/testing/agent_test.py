"""`AgentTest`: one shard of an agent, fed by hand, with a clock that one sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import orjson

from rivergate.agents import Agent
from rivergate.agents.fold import agent_inputs
from rivergate.agents.shard_state import dumped
from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339, to_micros
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.domain.event import Event, Proposal
from rivergate.domain.record import Headers, Output, Record
from rivergate.domain.span import Span
from rivergate.domain.wire import ProposalRecord
from rivergate.testing.shard import TestedShard

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = "/test"

A = TypeVar("A", bound=Agent)


class Message(NamedTuple):
    """What the agent sent to another one through the bus."""

    to: str
    message: dict[str, Any]
    key: bytes | None


class DeadLetter(NamedTuple):
    """A record that was set aside, and why; the state is as if it had never come."""

    record: Record
    reason: str


class AgentTest(Generic[A]):
    """Runs an agent without a broker, every record a commit of its own.

    `with AgentTest(Watcher) as t: t.send(Reading(…)); assert t.proposals == [Inspect(…)]`

    The fold, its undoing after an exception and the wire form are production's. On leaving, all that happened is
    folded once more from nothing: an agent that isn't deterministic (wall clock, unseeded randomness, the order of
    a set) is a `ReplayMismatch`. With `restore` the state also goes through a snapshot between any two records. With
    `model` it begins by adopting a copy of that, as with `rivergate run --model`; `BadInput` is its refusal.
    """

    def __init__(
        self,
        agent: type[A],
        *,
        app: str = "test",
        shard: int = 0,
        restore: bool = False,
        model: object = None,
        start: datetime = START,
    ) -> None:
        self._kind = agent
        self._app = app
        self._partition = shard
        self._inputs = frozenset(agent_inputs(app, agent))
        self._shard = TestedShard(app, agent, shard, restore=restore, model=None if model is None else dumped(model))
        self._clock: Micros = to_micros(start)
        self._offsets: dict[str, int] = {}
        self._dead: list[DeadLetter] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._shard.demand_same_again()

    # --- what happens to the agent -------------------------------------------------------------------------

    def send(self, event: Event, *, id: str | None = None, traceparent: str | None = None) -> str:  # noqa: A002 - CloudEvents' word
        """An event comes; returns its event id. Raises `ConfigError` for an event that the agent doesn't consume."""
        cls = type(event)
        if cls not in self._kind.consumes:
            raise ConfigError(
                f"agent {self._kind.__name__} doesn't consume {cls.__name__} (topic {cls.topic_in(self._app)!r})",
                remedy=f"add {cls.__name__} to its `consumes`; it has {_names(self._kind.consumes)}",
            )
        topic = cls.topic_in(self._app)
        ce_id = id or f"{cls.event_type}-{self._offsets.get(topic, 0)}"
        record = self._record(topic, event.key_bytes(), event.model_dump_json().encode(), ce_id, cls.event_type)
        if traceparent is not None:
            record = record._replace(given=[*(record.headers or ()), ("traceparent", traceparent.encode())])
        self._take(record)
        return record.event_id

    def send_raw(
        self,
        topic: type[Event] | str,
        value: bytes | Mapping[str, Any] | None,
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
    ) -> Record:
        """Anything comes on a topic, malformed or not. Raises `ConfigError` for a topic that the agent doesn't read."""
        name = topic if isinstance(topic, str) else topic.topic_in(self._app)
        if name not in self._inputs:
            raise ConfigError(
                f"agent {self._kind.__name__} doesn't read {name!r}",
                remedy=f"it reads {', '.join(sorted(self._inputs))}",
            )
        content = orjson.dumps(dict(value)) if isinstance(value, Mapping) else value
        record = Record(name, self._partition, self._next_offset(name), key, content, headers, self._clock // 1000)
        self._take(record)
        return record

    def label(self, event_id: str, value: Any, *, source: str = "topic", proposal_id: str | None = None) -> None:
        """Truth about an event comes, early or late. Raises `ConfigError` where the agent has no `on_label`."""
        truth: dict[str, Any] = {"event_id": event_id, "value": value, "source": source}
        if proposal_id is not None:
            truth["proposal_id"] = proposal_id
        self._system(names.LABELS, names.LABEL_V1, truth, "on_label")

    def message(self, message: dict[str, Any], *, sender: str = "somebody") -> None:
        """A message from another agent comes. Raises `ConfigError` where the agent has no `on_message`."""
        value = {"to": self._kind.name, "from": sender, "message": message}
        self._system(names.MESSAGES, names.MESSAGE_V1, value, "on_message")

    def advance(self, by: timedelta) -> None:
        """Time passes; timers fire, each when it is due."""
        if by < timedelta(0):
            raise BadInput("time doesn't go back", remedy="advance by a positive timedelta")
        until = self._clock + by // timedelta(microseconds=1)
        while (due := self._shard.next_deadline()) is not None and due <= until:
            self._clock = max(self._clock, due)
            self._shard.commit([], self._clock)
        self._clock = until

    # --- what the agent did --------------------------------------------------------------------------------

    @property
    def agent(self) -> A:
        """The instance, as the last record left it."""
        agent = self._shard.agent
        assert isinstance(agent, self._kind)  # noqa: S101 - for the type checker
        return agent

    @property
    def proposals(self) -> list[Proposal]:
        """What it proposed, in order. Raises `ConfigError` for a kind that the agent doesn't declare."""
        kinds = {p.proposal_kind: p for p in self._kind.proposes}
        found = []
        for record in self.proposal_records:
            if record.kind not in kinds:
                raise ConfigError(
                    f"agent {self._kind.__name__} proposed {record.kind!r}, which it doesn't declare",
                    remedy=f"add its class to `proposes`, else the gate denies it; there are {_names(kinds.values())}",
                )
            found.append(kinds[record.kind].model_validate(record.arguments))
        return found

    @property
    def proposal_records(self) -> list[ProposalRecord]:
        """What it proposed as the gate gets it: with id, confidence, reasons, event and expiry."""
        return [ProposalRecord.model_validate_json(o.value or b"") for o in self._outputs(names.PROPOSALS)]

    @property
    def published(self) -> list[Event]:
        """Events that it published. Raises `ConfigError` for one of a class that the agent doesn't declare."""
        by_name = {(e.topic_in(self._app), e.event_type): e for e in self._kind.publishes}
        found = []
        for output in self._shard.outputs:
            if names.system_name(self._app, output.topic) is not None:
                continue
            event = by_name.get((output.topic, output.ce_type.decode()))
            if event is None:
                raise ConfigError(
                    f"agent {self._kind.__name__} published to {output.topic!r}, which it doesn't declare",
                    remedy="add the event's class to `publishes`",
                )
            found.append(event.model_validate_json(output.value or b""))
        return found

    @property
    def messages(self) -> list[Message]:
        """What it sent to other agents."""
        found = [(orjson.loads(o.value or b""), o.key) for o in self._outputs(names.MESSAGES)]
        return [Message(value["to"], value["message"], key) for value, key in found]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """Records that couldn't be decoded or made the agent raise."""
        return list(self._dead)

    @property
    def spans(self) -> list[Span]:
        """Spans of what belongs to a decision."""
        return list(self._shard.spans)

    @property
    def now(self) -> datetime:
        """The shard's clock."""
        return START + timedelta(microseconds=self._clock - to_micros(START))

    def digest(self) -> str:
        """Digest of the whole state, the model included: equal states have equal ones in every process."""
        return self._shard.digest()

    # --- inside --------------------------------------------------------------------------------------------

    def _system(self, topic: str, ce_type: str, value: dict[str, Any], method: str) -> None:
        name = names.topic(self._app, topic)
        if name not in self._inputs:
            raise ConfigError(
                f"agent {self._kind.__name__} has no {method}", remedy=f"write one: def {method}(self, …)"
            )
        self._take(self._record(name, None, orjson.dumps(value), f"{topic}-{self._offsets.get(name, 0)}", ce_type))

    def _record(self, topic: str, key: bytes | None, value: bytes, ce_id: str, ce_type: str) -> Record:
        headers: Headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", ce_id.encode()),
            ("ce_source", SOURCE.encode()),
            ("ce_type", ce_type.encode()),
            ("ce_time", rfc3339(self._clock).encode()),
            ("content-type", b"application/json"),
        ]
        return Record(topic, self._partition, self._next_offset(topic), key, value, headers, self._clock // 1000)

    def _next_offset(self, topic: str) -> int:
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        return offset

    def _take(self, record: Record) -> None:
        reason = self._shard.commit([record], self._clock)
        if reason is not None:
            self._dead.append(DeadLetter(record, reason))

    def _outputs(self, topic: str) -> list[Output]:
        name = names.topic(self._app, topic)
        return [o for o in self._shard.outputs if o.topic == name]


def _names(classes: Iterable[type]) -> str:
    return ", ".join(c.__name__ for c in classes) or "none"
