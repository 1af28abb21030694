"""A proposal as the gate reads it: ids and digests recomputed, nothing taken on trust."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from rivergate.domain.clock import SECOND, Micros, parse_rfc3339, rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import arguments_digest, parse_traceparent, span_id_of, trace_id_of
from rivergate.domain.record import Record

DEFAULT_LIFE: Final = 3600 * SECOND
_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_LONGEST_NAME: Final = 1000
_SPELT: Final = len("2026-01-31T12:00:00.000001Z")

MALFORMED: Final = "malformed"
WRONG_ID: Final = "wrong-id"
WRONG_DIGEST: Final = "wrong-digest"
TOO_LARGE: Final = "too-large"
GATE_ERROR: Final = "gate-error"


@dataclass(slots=True)
class Proposed:
    """An identified proposal. `problem` is (rule, why) if it must be denied whatever the policy says.

    `event` is the proposal's own position where it names no event. `mark` tells whether another record with this id says the same. `may_repeat`: it comes from an outbox, not
    from a stage's commit.
    """

    proposal_id: str
    partition: int
    key: bytes | None
    trace_id: str
    parent_id: str
    may_repeat: bool
    agent: str = ""
    kind: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    arguments_digest: str = ""
    confidence: float | None = None
    event_id: str = ""
    event: dict[str, Any] = field(default_factory=dict)
    expires_at: Micros = 0
    expires_spelt: str = ""
    makers: tuple[str, ...] = ()
    mark: str = ""
    problem: tuple[str, str] | None = None

    @property
    def span_id(self) -> str:
        """The gate's span of this proposal: the parent of all that becomes of it."""
        return span_id_of("gate", self.proposal_id)

    @property
    def expires(self) -> str:
        """`expires_at` as on the wire; as it came, where that is how we spell times (saves a tenth of the work)."""
        spelt = self.expires_spelt
        return spelt if len(spelt) == _SPELT and spelt[-1] == "Z" and spelt[10] == "T" else rfc3339(self.expires_at)


def json_object(record: Record) -> dict[str, Any] | None:
    """The record's value, if it is a JSON object."""
    try:
        value = orjson.loads(record.value or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def proposal_id_in(value: dict[str, Any] | None) -> str | None:
    """The proposal that a record is about, if it names one as the wire contract spells ids."""
    pid = value.get("proposal_id") if value else None
    return pid if isinstance(pid, str) and _ID.match(pid) else None


def read_proposal(record: Record, app: str, clock: Micros, limit_bytes: int) -> Proposed | str:
    """The proposal, or why it can't be identified. Raises nothing."""
    value = json_object(record)
    if value is None:
        return "not a JSON object"
    pid = proposal_id_in(value)
    if pid is None:
        return "a proposal needs `proposal_id`, 32 hex digits"
    raw = record.value or b""
    event_id = value.get("event_id")
    event_id = event_id if isinstance(event_id, str) else pid
    trace = parse_traceparent(record.header("traceparent"))
    source = record.header("ce_source") or b""
    p = Proposed(
        proposal_id=pid,
        partition=record.partition,
        key=record.key,
        trace_id=trace[0] if trace else trace_id_of(event_id),
        parent_id=trace[1] if trace else "",
        may_repeat=source.endswith(b"/door") or record.header("rg_commit") is None,
        expires_at=clock + DEFAULT_LIFE,
        event={"topic": record.topic, "partition": record.partition, "offset": record.offset},
    )
    try:
        p.problem = _read(p, value, app)
        if len(raw) > limit_bytes // 2:  # what becomes of it repeats the arguments and adds to them
            p.problem = (TOO_LARGE, f"{len(raw)} bytes, the limit is {limit_bytes // 2}")
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as e:  # noqa: BLE001 - whatever a proposal holds, it ends as a denial
        p.problem = (GATE_ERROR, f"{type(e).__name__}: {e}"[:500])
    p.mark = p.mark or hashlib.sha256(raw).hexdigest()[:16]
    return p


def _read(p: Proposed, value: dict[str, Any], app: str) -> tuple[str, str] | None:
    """Fill in what can be read; (rule, why) of the first thing that is wrong."""
    wrong = _fields(p, value)
    if wrong:
        return MALFORMED, wrong
    ordinal = value["ordinal"]
    if value.get("app") != app:
        return WRONG_ID, f"it is a proposal of app {str(value.get('app'))[:100]!r}"
    # orjson's form of texts and small integers is RFC 8785's, at a fraction of the time
    wanted = hashlib.sha256(orjson.dumps([app, p.agent, p.event_id, ordinal])).hexdigest()[:32]
    if wanted != p.proposal_id:
        return WRONG_ID, f"agent, event and ordinal give the id {wanted}"
    try:
        p.arguments_digest = arguments_digest(p.kind, p.arguments)
    except BadInput as e:
        return MALFORMED, e.what
    p.mark = p.arguments_digest[:16]
    if value.get("arguments_digest") != p.arguments_digest:
        return WRONG_DIGEST, f"kind and arguments give the digest {p.arguments_digest}"
    return None


def _name(value: dict[str, Any], field_name: str) -> str:
    """A field that is text of a bearable length, else nothing: names stand in every record and span."""
    text = value.get(field_name)
    return text if isinstance(text, str) and len(text) <= _LONGEST_NAME else ""


def _position(event: Any) -> dict[str, Any] | None:
    """Topic, partition and offset of the event."""
    if not isinstance(event, dict) or not _name(event, "topic"):
        return None
    numbers = [event.get("partition"), event.get("offset")]
    if any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
        return None
    return {"topic": event["topic"], "partition": numbers[0], "offset": numbers[1]}


def _fields(p: Proposed, value: dict[str, Any]) -> str:
    """Take over the fields that have the right type; the first that hasn't."""
    p.agent, p.kind = _name(value, "agent"), _name(value, "kind")
    p.event_id = _name(value, "event_id")
    wrong = [name for name, read in (("agent", p.agent), ("kind", p.kind), ("event_id", p.event_id)) if not read]
    position = _position(value.get("event"))
    if position is None:
        wrong.append("event")
    else:
        p.event = position
    if isinstance(value.get("arguments"), dict):
        p.arguments = value["arguments"]
    else:
        wrong.append("arguments")
    confidence, ordinal = value.get("confidence"), value.get("ordinal")
    if type(confidence) in (int, float):
        p.confidence = float(confidence)  # type: ignore[arg-type] # narrowed by its type
    elif confidence is not None:
        wrong.append("confidence")
    if type(ordinal) is not int or not 0 <= ordinal < 2**53:
        wrong.append("ordinal")
    behalf = value.get("on_behalf_of")
    if _name(value, "on_behalf_of"):
        p.makers = (str(behalf),)
    elif behalf is not None:
        wrong.append("on_behalf_of")
    if value.get("expires_at") is not None:
        try:
            p.expires_at = parse_rfc3339(value["expires_at"])
            p.expires_spelt = value["expires_at"]
        except (ValueError, TypeError, OverflowError):
            wrong.append("expires_at")
    return f"missing or of the wrong type: {', '.join(wrong)}" if wrong else ""
