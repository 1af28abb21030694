"""`AgentFold`: one shard of an agent as a pure fold over its topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rivergate.agents.adopting import adopt
from rivergate.agents.agent import Agent
from rivergate.agents.context import Context
from rivergate.agents.memory import EarlyLabel
from rivergate.agents.shard_state import ShardState
from rivergate.domain import names
from rivergate.domain.clock import Micros
from rivergate.domain.errors import RecordFailed
from rivergate.domain.event import Event, Label
from rivergate.domain.record import Record, make_tuple
from rivergate.domain.span import Span
from rivergate.ports import Batch, Outputs

Handler = Callable[[Record, int], None]


def agent_inputs(app: str, agent: type[Agent]) -> list[str]:
    """Topics that the agent's stage reads, co-partitioned: its events, labels, messages."""
    topics = sorted({e.topic_in(app) for e in agent.consumes})
    if agent.on_label is not Agent.on_label:
        topics.append(names.topic(app, names.LABELS))
    if agent.on_message is not Agent.on_message:
        topics.append(names.topic(app, names.MESSAGES))
    return topics


class AgentFold:
    """Implements `ports.Fold` and `ports.Adopts`. The same object serves the runtime, replays and `AgentTest`."""

    def __init__(self, app: str, agent: type[Agent]) -> None:
        self._app = app
        self._kind = agent
        self._stage = names.agent_stage(agent.name)
        self._handlers: dict[str, Handler] = {}
        for event in agent.consumes:
            on_topic = [e for e in agent.consumes if e.event_topic == event.event_topic]
            self._handlers[event.topic_in(app)] = self._event_handler(on_topic)
        self._handlers[names.topic(app, names.LABELS)] = self._on_label_record
        self._handlers[names.topic(app, names.MESSAGES)] = self._on_message_record
        self._take(ShardState.new(agent))
        self._batch: Batch
        self._out: Outputs
        self._agent_id = ""

    def _take(self, state: ShardState) -> None:
        self.state = state
        self._ctx = Context(self._app, self._kind.name, state)

    # --- ports.Fold ----------------------------------------------------------------------------------------

    def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
        """See `ports.Fold.fold`."""
        self._batch = batch
        self._out = out
        self._agent_id = f"{self._app}/{self._stage}/{batch.shard}"
        self._ctx.start_batch(batch, out)
        self.state.memory.expire(batch.clock)
        self.state.keyed.expire(batch.clock)
        handlers = self._handlers
        index = -1
        try:
            for name, cause in self.state.timers.take_due(batch.clock):
                self._ctx.start_cause(cause)
                self._call("timer", self.state.agent.on_timer, name)
            for index, record in enumerate(records):
                handlers[record.topic](record, index)
        except (RecordFailed, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # user code's `sys.exit()` too, and a panic of Rust's: no Exceptions
            where = str(records[index].position) if index >= 0 else "a timer"
            raise RecordFailed(index, f"{type(e).__name__}: {e}", where=where) from e

    def next_deadline(self) -> Micros | None:
        """See `ports.Fold.next_deadline`."""
        return self.state.timers.next_deadline()

    def dump(self) -> bytes:
        """See `ports.Fold.dump`."""
        return self.state.dump()

    def load(self, state: bytes) -> None:
        """See `ports.Fold.load`."""
        loaded = ShardState.load(state)
        loaded.bound(self._kind)
        self._take(loaded)

    def digest(self) -> str:
        """See `ports.Fold.digest`."""
        return self.state.digest()

    def adopt(self, model: bytes) -> None:
        """See `ports.Adopts.adopt`."""
        adopt(self.state.agent, model)

    # --- records -------------------------------------------------------------------------------------------

    def _event_handler(self, classes: list[type[Event]]) -> Handler:
        by_type = {c.event_type: c for c in classes}
        only = classes[0] if len(classes) == 1 else None
        source = names.source(self._app, self._stage).encode()

        def handle(record: Record, index: int) -> None:
            if not record.is_for(source):
                return
            cls = only or by_type.get(record.ce_type)
            if cls is None:
                self._out.skip(index, f"ce_type {record.ce_type!r} is none of {', '.join(sorted(by_type))}")
                return
            try:
                event = cls.__pydantic_validator__.validate_json(record.value or b"")
            except ValueError as e:
                self._out.skip(index, _first_line_of(e))
                return
            state = self.state
            self._ctx.start_record(record)
            self._call("event", state.agent.on_event, event)
            if state.memory.early:
                self._on_waiting_label()

        return handle

    def _on_label_record(self, record: Record, index: int) -> None:
        value = record.json_object
        event_id = value.get("event_id") if value else None
        if not isinstance(event_id, str) or value is None or "value" not in value:
            self._out.skip(index, "a label needs `event_id` and `value`")
            return
        truth, source, pid = value["value"], str(value.get("source", "topic")), value.get("proposal_id")
        found = self.state.memory.take(event_id)
        if found is None:
            self.state.memory.wait(event_id, EarlyLabel(truth, source, pid, self._batch.clock))
        else:
            self._ctx.start_record(record, event_id)
            label = make_tuple(Label, (event_id, truth, source, found[0], found[1], pid))
            self._call("label", self.state.agent.on_label, label)

    def _on_waiting_label(self) -> None:
        """A label that came before its event descends from the event, whose own record is history."""
        event_id = self._ctx.cause_id
        early = self.state.memory.take_early(event_id)
        found = None if early is None else self.state.memory.take(event_id)
        if early is not None and found is not None:
            self._ctx.start_cause(self._ctx.cause)
            label = Label(event_id, early.value, early.source, found[0], found[1], early.proposal_id)
            self._call("label", self.state.agent.on_label, label)

    def _on_message_record(self, record: Record, index: int) -> None:
        value = record.json_object
        if value is None or not isinstance(value.get("message"), dict):
            self._out.skip(index, "a message needs `to` and `message`")
            return
        if value.get("to") != self._kind.name:
            return
        self._ctx.start_record(record)
        self._call("message", self.state.agent.on_message, value["message"])

    def _call(self, what: str, method: Callable[[Any, Context], None], what_came: Any) -> None:
        ctx = self._ctx
        started = self._batch.stopwatch()
        method(what_came, ctx)
        if ctx.known_cause is not None and ctx.known_cause.needs_span:
            self._out.spans.append(self._span(what, started))

    def _span(self, what: str, started: int) -> Span:
        cause, proposals = self._ctx.cause, self._ctx.proposals
        trace_id, span_id, parent_id = self._ctx.span_ids
        name = self._kind.name
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.agent.id": self._agent_id,
            "gen_ai.system": "rivergate",
            "messaging.system": "kafka",
            "messaging.destination.name": cause.topic,
            "messaging.destination.partition.id": str(cause.partition),
            "messaging.kafka.offset": cause.offset,
            "rivergate.event.id": cause.subject,
            "rivergate.cause": what,
        }
        if proposals:
            attributes["rivergate.proposal.id"] = proposals[0] if len(proposals) == 1 else proposals
        return Span(
            name=f"invoke_agent {name}",
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            start_ns=started,
            end_ns=self._batch.stopwatch(),
            attributes=attributes,
        )


def _first_line_of(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_url=False, include_input=False)[0]
    where = ".".join(str(x) for x in first["loc"])
    return f"field {where}: {first['msg']}" if where else str(first["msg"])
