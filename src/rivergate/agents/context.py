"""`Context`: what an agent may know and do while it handles one record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from rivergate.agents.cause import Cause
from rivergate.domain import names
from rivergate.domain.clock import rfc3339, to_datetime, to_micros
from rivergate.domain.errors import BadInput
from rivergate.domain.event import Event, Proposal, Reason
from rivergate.domain.ids import arguments_digest, parse_traceparent, proposal_id, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import BY_KEY, Output

if TYPE_CHECKING:
    from rivergate.agents.shard_state import ShardState
    from rivergate.domain.record import Record
    from rivergate.ports import Batch, Outputs

DEFAULT_EXPIRY = timedelta(hours=1)


class Context:
    """Given to every method of an agent; valid during that call alone.

    Whatever is proposed, published, sent, remembered or timed becomes visible with the commit of the batch,
    or not at all.
    """

    __slots__ = (
        "_agent",
        "_app",
        "_batch",
        "_expiries",
        "_identity",
        "_ordinals",
        "_out",
        "_prefix",
        "_published",
        "_random",
        "_record",
        "_span_ids",
        "_stage",
        "_state",
        "_subject",
        "known_cause",
        "proposals",
    )

    def __init__(self, app: str, agent: str, state: ShardState) -> None:
        self._app = app
        self._agent = agent
        self._stage = names.agent_stage(agent)
        self._state = state
        self._batch: Batch
        self._out: Outputs
        self._record: Record
        self._subject: str | None = None
        self.known_cause: Cause | None = None
        """What the present outputs descend from, if something has asked for it: for the fold."""
        self._identity: tuple[str, bytes] | None = None
        self._span_ids: tuple[str, str, str] | None = None
        self._prefix = b""
        self._random: Random | None = None
        self._ordinals: dict[str, int] = {}
        self._expiries: dict[timedelta, str] = {}
        self.proposals: list[str] = []
        """Ids of what was proposed for the present record: for the fold."""
        self._published: dict[type[Event], tuple[str, bytes]] = {}

    # --- what the agent may know ---------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The shard's clock (UTC): it never goes back and reads the same in a replay."""
        return to_datetime(self._batch.clock)

    @property
    def random(self) -> Random:
        """Randomness seeded from app, stage, shard and commit, so that a replay draws the same numbers."""
        if self._random is None:
            b = self._batch
            seed = hashlib.sha256(f"{b.app}/{b.stage}/{b.shard}/{b.seq}".encode()).digest()
            self._random = Random(int.from_bytes(seed[:8]))
        return self._random

    @property
    def event_id(self) -> str:
        """Id of the event that is being handled (in `on_label`: of the event that the label is about)."""
        return self.cause.subject

    @property
    def shard(self) -> int:
        """The shard's number."""
        return self._batch.shard

    # --- what the agent may do -----------------------------------------------------------------------------

    def propose(
        self,
        proposal: Proposal,
        *,
        confidence: float = 1.0,
        reasons: Iterable[Reason | str] = (),
        expires_in: timedelta = DEFAULT_EXPIRY,
        on_behalf_of: str | None = None,
    ) -> str:
        """Ask for an action; the gate decides. Returns the proposal's id.

        `confidence` is a probability. `reasons` are kept for whoever has to judge or explain. `on_behalf_of`
        names the person who stands behind it and so can't approve it. Raises `BadInput` where the arguments
        have no canonical form or are too large for a record.
        """
        if not 0.0 <= confidence <= 1.0:
            raise BadInput(f"confidence {confidence} isn't a probability", remedy="give a number from 0 to 1")
        cause = self.cause
        ordinal = self._ordinals.get(cause.event_id, 0)
        pid = proposal_id(self._app, self._agent, cause.event_id, ordinal)
        arguments = proposal.__pydantic_serializer__.to_python(proposal, mode="json")
        kind = proposal.proposal_kind
        value: dict[str, Any] = {
            "proposal_id": pid,
            "app": self._app,
            "agent": self._agent,
            "kind": kind,
            "arguments": arguments,
            "arguments_digest": arguments_digest(kind, arguments),
            "confidence": confidence,
            "reasons": [{"text": r} if isinstance(r, str) else r.model_dump(exclude_defaults=True) for r in reasons],
            "event_id": cause.event_id,
            "ordinal": ordinal,
            "event": {"topic": cause.topic, "partition": cause.partition, "offset": cause.offset},
            "expires_at": self._expires_at(expires_in),
        }
        if on_behalf_of is not None:
            value["on_behalf_of"] = on_behalf_of
        self._ordinals[cause.event_id] = ordinal + 1
        self.proposals.append(pid)
        self._write(names.PROPOSALS, pid.encode(), names.PROPOSAL_V1.encode(), value)
        return pid

    def publish(self, event: Event) -> None:
        """Write a typed event to its topic; it goes to the partition that its key chooses. Raises `BadInput`
        where it is too large for a record.
        """
        out = self._out.records
        cls = type(event)
        known = self._published.get(cls)
        if known is None:
            known = self._published[cls] = (cls.topic_in(self._app), cls.event_type.encode())
        topic, ce_type = known
        value = cls.__pydantic_serializer__.to_json(event)
        if len(value) > self._out.limit_bytes:
            raise _too_large(topic, value, self._out)
        ce_id = self._prefix + b"%d" % len(out)
        out.append(Output(topic, BY_KEY, event.key_bytes(), value, ce_id, ce_type, self._passed_on()))

    def send(self, to: str, message: dict[str, Any], *, key: str = "") -> None:
        """Send a message to another agent by its name, through the bus; `key` chooses the shard."""
        out = self._out.records
        value = orjson.dumps({"to": to, "from": self._agent, "message": message})
        if len(value) > self._out.limit_bytes:
            raise _too_large(names.MESSAGES, value, self._out)
        out.append(
            Output(
                topic=names.topic(self._app, names.MESSAGES),
                partition=BY_KEY,
                key=key.encode() or self.cause.key,
                value=value,
                ce_id=self._prefix + b"%d" % len(out),
                ce_type=names.MESSAGE_V1.encode(),
                traceparent=self._spanned(),
            )
        )

    def remember(self, event: Event, *, features: Any = None, prediction: Any = None) -> None:  # noqa: ARG002 - reads as a sentence
        """Keep what was known now until the event's label comes: it is handed to `on_label`."""
        self._state.memory.remember(self.cause_id, features, prediction, self._batch.clock)

    def set_timer(self, name: str, at: datetime | timedelta) -> None:
        """Have `on_timer` called once the shard's clock passes `at`; setting a name again moves it."""
        due = self._batch.clock + at // timedelta(microseconds=1) if isinstance(at, timedelta) else to_micros(at)
        self._state.timers.set(name, due, self.cause)

    def cancel_timer(self, name: str) -> None:
        """Forget a timer; nothing happens where there is none of that name."""
        self._state.timers.cancel(name)

    def keyed(self, key: str) -> dict[str, Any]:
        """State of this shard for a key: a dict that is the agent's to change, bounded by count and age."""
        return self._state.keyed.get(key, self._batch.clock)

    # --- what the fold does with it ------------------------------------------------------------------------

    def start_batch(self, batch: Batch, out: Outputs) -> None:
        """For the fold: a new batch begins."""
        self._batch = batch
        self._out = out
        self._prefix = b"%d-%d-" % (batch.shard, batch.seq)
        self._random = None
        self._expiries.clear()

    def start_record(self, record: Record, subject: str | None = None) -> None:
        """For the fold: a new record begins. `subject` is the event that it is about, if it isn't one itself.

        Its cause is made when something asks for it: most events of most agents lead to nothing that needs one.
        """
        self._record = record
        self._subject = subject
        self.known_cause = self._span_ids = self._identity = None
        if self._ordinals:
            self._ordinals.clear()  # a repeat of an event proposes under the same ids, be it in the same batch
        if self.proposals:
            self.proposals = []

    def start_cause(self, cause: Cause) -> None:
        """For the fold: something else than a record's first handling begins, a timer or a label that waited."""
        self.known_cause = cause
        self._span_ids = None
        self.proposals = []

    @property
    def cause(self) -> Cause:
        """What the agent's outputs of now descend from: for the fold."""
        if self.known_cause is None:
            r = self._record
            event_id, trace = self._identity or r.identity()
            subject = event_id if self._subject is None else self._subject
            self.known_cause = Cause(event_id, subject, r.topic, r.partition, r.offset, r.key, trace)
        return self.known_cause

    @property
    def cause_id(self) -> str:
        """The cause's id, which alone is needed where an event is but remembered: for the fold."""
        if self.known_cause is not None:
            return self.known_cause.event_id
        if self._identity is None:
            self._identity = self._record.identity()
        return self._identity[0]

    def _expires_at(self, expires_in: timedelta) -> str:
        """The time as text; a batch has one clock, and its proposals mostly one expiry."""
        known = self._expiries.get(expires_in)
        if known is None:
            at = self._batch.clock + expires_in // timedelta(microseconds=1)
            known = self._expiries[expires_in] = rfc3339(at)
        return known

    def _passed_on(self) -> bytes:
        """The trace context as it came, or one that follows from the event's id."""
        known = self.known_cause
        came = self._record.header("traceparent") if known is None else known.traceparent
        if came:
            return came
        digest = hashlib.sha256(self.cause.event_id.encode()).hexdigest()
        return traceparent(digest[:32], digest[32:48])

    @property
    def span_ids(self) -> tuple[str, str, str]:
        """(trace id, span id, parent's span id or nothing) of the span of the present cause: for the fold."""
        if self._span_ids is None:
            cause = self.cause
            parent = parse_traceparent(cause.traceparent)
            trace_id, parent_id = parent or (trace_id_of(cause.event_id), "")
            self._span_ids = trace_id, span_id_of(self._stage, cause.event_id), parent_id
        return self._span_ids

    def _spanned(self) -> bytes:
        """Trace context whose parent is the span that the fold makes for this record."""
        trace_id, span_id, _ = self.span_ids
        self.cause.needs_span = True
        return traceparent(trace_id, span_id)

    def _write(self, topic: str, ce_id: bytes, ce_type: bytes, value: dict[str, Any]) -> None:
        cause = self.cause
        raw = orjson.dumps(value)
        if len(raw) > self._out.limit_bytes:
            raise _too_large(topic, raw, self._out)
        self._out.records.append(
            Output(
                topic=names.topic(self._app, topic),
                partition=cause.partition,
                key=cause.key,
                value=raw,
                ce_id=ce_id,
                ce_type=ce_type,
                traceparent=self._spanned(),
            )
        )


def _too_large(topic: str, value: bytes, out: Outputs) -> BadInput:
    """The broker would refuse it, and the whole commit with it."""
    return BadInput(
        f"a record of {len(value):,} bytes for {topic} is above the limit of {out.limit_bytes:,}",
        remedy="write less, or write where it can be found (a file, an object store) and send its address and digest",
    )
