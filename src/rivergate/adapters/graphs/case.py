"""One open event of a graph: what is recorded of it, and the records that it writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import orjson

from rivergate.adapters.graphs.agent import GraphAgent
from rivergate.adapters.graphs.run import MODEL, PROPOSAL, RESULT, Step
from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, parse_rfc3339, rfc3339
from rivergate.domain.event import Event
from rivergate.domain.ids import arguments_digest, parse_traceparent, proposal_id, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Output, Record
from rivergate.domain.span import CLIENT, AttributeValue, Span
from rivergate.ports import Batch

GRACE: Final[Micros] = 60 * SECOND


@dataclass
class Case:
    """An event that was read and whose graph hasn't ended. `given` are recorded steps by place, `answers` what became
    of proposals by their ids, `expires` when they end, `unsettled` those whose outcome a person has to settle.

    There are `steps` records of it; `replaced` counts, by place, those that took another's place.
    This owner has had it since `opened_at`. `late_at` is when it found that no answer may come any more.
    """

    app: str
    agent: GraphAgent
    record: Record
    event: Event
    started_ns: int
    opened_at: Micros
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    proposals: list[str] = field(default_factory=list)
    expires: dict[str, Micros] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    late_at: Micros | None = None
    steps: int = 0
    replaced: Counter[str] = field(default_factory=Counter)
    running: bool = True
    woken: bool = False
    failures: int = 0

    @property
    def event_id(self) -> str:
        """Id of the event."""
        return self.record.event_id

    @property
    def at(self) -> dict[str, Any]:
        """Where the event stands, as responses and proposals name it."""
        return {"topic": self.record.topic, "partition": self.record.partition, "offset": self.record.offset}

    def remember(self, step: dict[str, Any]) -> None:
        """A recorded step, from this owner's commit or read again from the log.

        What led to a proposal stands, whatever is asked now: else a new wording would make the graph propose again.
        """
        self.steps += 1
        self.replaced[step["place"]] += step["place"] in self.given
        self.given[step["place"]] = step
        if step["what"] == PROPOSAL:
            self.given = {place: {k: v for k, v in s.items() if k != "asked"} for place, s in self.given.items()}
            pid, spelt = step["proposal_id"], step.get("expires_at")  # an older version didn't record it
            self.proposals.append(pid)
            self.expires[pid] = parse_rfc3339(spelt) if spelt else self._expires_at(self.opened_at)

    def wait_s(self, now: Micros) -> float | None:
        """For how long to wait for an answer before this is asked again: not at all once a grace has passed since none may
        come any more, and None for as long as it takes.

        The grace is for what was done in time and is still on its way, and for what this owner hasn't read yet.
        """
        if not self._awaited:
            return None
        latest, _ = max(self._awaited)
        if now < latest:
            self.late_at = None
            return (latest - now) / SECOND
        self.late_at = now if self.late_at is None else self.late_at
        return max(0, self.late_at + GRACE - now) / SECOND

    def why_late(self) -> str:
        """Which proposal has no answer: the one that expired last."""
        at, pid = max(self._awaited)
        return f"no answer to proposal {pid}, which expired at {rfc3339(at)}"

    def record_step(self, batch: Batch, step: Step) -> tuple[list[Output], Span]:
        """What a new step writes: its record and, for a proposal, the proposal. Remembers it."""
        ordinal = self.steps
        content = {"what": step.what, "place": step.place, **step.content}
        span_id = span_id_of(self.agent.stage, self.event_id, str(ordinal))
        outputs = []
        if step.what == PROPOSAL:
            content["ordinal"] = len(self.proposals)
            content["proposal_id"] = proposal_id(self.app, self.agent.name, self.event_id, content["ordinal"])
            content["expires_at"] = rfc3339(self._expires_at(batch.clock))
            outputs.append(self._proposal(content, span_id))
        outputs.append(self._response(content, ordinal, span_id))
        self.remember(content)
        return outputs, self._step_span(content, span_id, step)

    def record_result(self, batch: Batch, result: dict[str, Any]) -> tuple[Output, Span]:
        """What the end of the graph writes: its result, and the span that all others hang below."""
        content = {"what": RESULT, "place": RESULT, "result": result}
        return self._response(content, self.steps, self._root), self.root_span(batch)

    def root_span(self, batch: Batch, error: str = "") -> Span:
        """The whole of the graph's work on this event."""
        parent = parse_traceparent(self.record.header("traceparent"))
        attributes = self._attributes("invoke_agent")
        if self.proposals:
            attributes["rivergate.proposal.id"] = self.proposals[0] if len(self.proposals) == 1 else self.proposals
        return Span(
            name=f"invoke_agent {self.agent.name}",
            trace_id=self._trace_id,
            span_id=self._root,
            parent_id=parent[1] if parent else "",
            start_ns=self.started_ns,
            end_ns=batch.stopwatch(),
            attributes=attributes,
            error=error,
        )

    @property
    def _awaited(self) -> list[tuple[Micros, str]]:
        heard_of = self.unsettled | self.answers.keys()
        return [(at, pid) for pid, at in self.expires.items() if pid not in heard_of]

    @property
    def _root(self) -> str:
        return span_id_of(self.agent.stage, self.event_id)

    @property
    def _trace_id(self) -> str:
        parent = parse_traceparent(self.record.header("traceparent"))
        return parent[0] if parent else trace_id_of(self.event_id)

    def _expires_at(self, made: Micros) -> Micros:
        return made + self.agent.expires_in // timedelta(microseconds=1)

    def _response(self, content: dict[str, Any], ordinal: int, span_id: str) -> Output:
        value = {"event_id": self.event_id, "event": self.at, "agent": self.agent.name, **content}
        return self._output(names.RESPONSES, f"{self.event_id}/{ordinal}", names.RESPONSE_V1, span_id, value)

    def _proposal(self, step: dict[str, Any], span_id: str) -> Output:
        value = {
            "proposal_id": step["proposal_id"],
            "app": self.app,
            "agent": self.agent.name,
            "kind": step["kind"],
            "arguments": step["arguments"],
            "arguments_digest": arguments_digest(step["kind"], step["arguments"]),
            "confidence": 1.0,
            "reasons": [{"text": text} for text in self._said_with(step["call_id"])],
            "event_id": self.event_id,
            "ordinal": step["ordinal"],
            "event": self.at,
            "expires_at": step["expires_at"],
        }
        return self._output(names.PROPOSALS, step["proposal_id"], names.PROPOSAL_V1, span_id, value)

    def _said_with(self, call_id: str) -> list[str]:
        """What the model said when it made this tool call."""
        said = [s["response"] for s in self.given.values() if s["what"] == MODEL]
        return [str(m["content"]) for m in said if m["content"] and call_id in {c["id"] for c in m["tool_calls"]}]

    def _output(self, topic: str, ce_id: str, ce_type: str, span_id: str, value: dict[str, Any]) -> Output:
        return Output(
            topic=names.topic(self.app, topic),
            partition=self.record.partition,
            key=self.record.key,
            value=orjson.dumps(value),
            ce_id=ce_id.encode(),
            ce_type=ce_type.encode(),
            traceparent=traceparent(self._trace_id, span_id),
        )

    def _step_span(self, step: dict[str, Any], span_id: str, timed: Step) -> Span:
        if step["what"] == PROPOSAL:
            name = f"execute_tool {step['kind']}"
            attributes = self._attributes("execute_tool")
            attributes |= {"gen_ai.tool.name": step["kind"], "rivergate.proposal.id": step["proposal_id"]}
        else:
            name = f"chat {step['model']}"
            attributes = self._attributes("chat") | {"gen_ai.request.model": step["model"]}
        return Span(
            name=name,
            trace_id=self._trace_id,
            span_id=span_id,
            parent_id=self._root,
            kind=CLIENT,
            start_ns=timed.started_ns,
            end_ns=timed.ended_ns,
            attributes=attributes,
        )

    def _attributes(self, operation: str) -> dict[str, AttributeValue]:
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.agent.name": self.agent.name,
            "gen_ai.agent.id": f"{self.app}/{self.agent.stage}/{self.record.partition}",
            "gen_ai.system": "rivergate",
            "rivergate.event.id": self.event_id,
        }
