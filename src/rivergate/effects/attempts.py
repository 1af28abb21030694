"""`EffectsWork`: actions in, intents and outcomes out; the deeds between them are the effectors'."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import orjson

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.ids import parse_traceparent, span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Output, Record
from rivergate.domain.span import CLIENT, AttributeValue, Span
from rivergate.effects.checking import Received, received
from rivergate.effects.effector import Action, Delivery, Effector, Outcome
from rivergate.ports import Batch, Clock, Outputs

_LOG = logging.getLogger("rivergate.effects")

LONGEST_DETAIL = 10_000
"""Characters of an outcome's detail that are kept."""


@dataclass(frozen=True, slots=True)
class EffectLimits:
    """`window` is how long after its intent a deed may begin (microseconds); idempotent ones are tried `attempts`
    times, waiting `retry_s` seconds, twice as long each time.
    """

    window: Micros = 30 * SECOND
    attempts: int = 3
    retry_s: float = 0.2


class Interruption(Enum):
    """An attempt was called off while it waited: nothing was done, and nothing was found out."""

    INTERRUPTED = "interrupted"


INTERRUPTED: Final = Interruption.INTERRUPTED

Result = Outcome | Interruption | None
"""What comes of an attempt. None where nothing was done and it is safe to try again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an action. `wait_until` is when a predecessor's attempt can no longer begin."""

    record: Record
    action: Received
    number: int
    not_after: Micros
    started_ns: int
    wait_until: Micros = 0
    taken_over: bool = False
    delay_s: float = 0.0


class Effects:
    """Plans attempts and writes what came of them; pure but for `perform`, which runs in a deed's thread."""

    def __init__(
        self, app: str, effectors: Mapping[str, Effector], clock: Clock, limits: EffectLimits | None = None
    ) -> None:
        self._app = app
        self._effectors = effectors
        self._clock = clock
        self._limits = limits or EffectLimits()
        self._closing = threading.Event()

    def begin(self, batch: Batch, record: Record, index: int, out: Outputs) -> Attempt | None:
        """An action was read: its intent, or its refusal, or a dead letter."""
        action = received(record, self._effectors.keys(), batch.clock)
        if action is None:
            out.skip(index, "not an action: it needs `proposal_id`, `event_id` and `event`")
            return None
        if action.refusal:
            self._end(batch, record, action, "refused", Outcome("failed", action.refusal), 0, batch.stopwatch(), out)
            return None
        return self._intend(batch, record, action, 1, out)

    def take_over(
        self, batch: Batch, record: Record, previous: tuple[int, Micros] | None, out: Outputs
    ) -> Attempt | None:
        """An action that a predecessor left open, with the number and `not_after` of its newest attempt."""
        action = received(record, self._effectors.keys(), batch.clock)
        if action is None:
            return None
        number, not_after = previous or (0, 0)
        if action.refusal and not number:
            self._end(batch, record, action, "refused", Outcome("failed", action.refusal), 0, batch.stopwatch(), out)
            return None
        return self._intend(batch, record, action, number + 1, out, wait_until=not_after, taken_over=number > 0)

    def perform(self, attempt: Attempt) -> Result:
        """In a thread of the deed's own: act, or find out."""
        value = attempt.action.value
        action = Action(
            attempt.action.proposal_id, value["kind"], value["arguments"], value["event_id"], value["expires_at"]
        )
        effector = self._effectors.get(action.kind)
        if effector is None:
            return Outcome("unknown", f"no effector for kind {action.kind!r} any more; a predecessor may have acted")
        try:
            if attempt.delay_s and self._closing.wait(attempt.delay_s):
                return INTERRUPTED
            if effector.delivery is not Delivery.IDEMPOTENT:
                if attempt.taken_over:
                    found = self._find_out(effector, action, attempt)
                    if found is not None:
                        return found
                if self._clock() > attempt.not_after:
                    return None
            return _demand_outcome(effector.perform(action, attempt.not_after), effector)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # noqa: BLE001 - whatever an effector raises is its outcome, `sys.exit()` too
            _LOG.warning("effector of %s failed on %s: %r", action.kind, action.key, e)
            return Outcome("failed", f"{type(e).__name__}: {e}", effect="maybe")

    def end(self, batch: Batch, attempt: Attempt, outcome: Result, out: Outputs) -> Attempt | None:
        """An attempt came back: its outcome, or the next attempt, or the same one where it was interrupted."""
        if outcome is INTERRUPTED:  # its intent stands, and what a predecessor may have done is as open as it was
            return attempt
        effector = self._effectors.get(attempt.action.value["kind"])
        again = outcome is None
        if outcome is not None and outcome.status == "failed" and outcome.effect == "maybe" and effector is not None:
            again = effector.delivery is Delivery.IDEMPOTENT and attempt.number < self._limits.attempts
        if again:
            delay_s = self._limits.retry_s * 2 ** min(attempt.number - 1, 6)
            return self._intend(batch, attempt.record, attempt.action, attempt.number + 1, out, delay_s=delay_s)
        assert outcome is not None  # noqa: S101 - None is always tried again
        self._end(
            batch, attempt.record, attempt.action, outcome.status, outcome, attempt.number, attempt.started_ns, out
        )
        return None

    def interrupt(self) -> None:
        """Call off what waits: attempts come back as `INTERRUPTED`. What acts goes on. Any thread."""
        self._closing.set()

    def close(self) -> None:
        """Release the effectors."""
        self._closing.set()
        for effector in {id(e): e for e in self._effectors.values()}.values():
            effector.close()

    def _find_out(self, effector: Effector, action: Action, attempt: Attempt) -> Result:
        """After a crash: wait until the predecessor can't act any more, then ask, or say that nobody knows."""
        while (left := attempt.wait_until - self._clock()) > 0:
            if self._closing.wait(min(left / SECOND, 1.0)):
                return INTERRUPTED
        if effector.delivery is Delivery.RECONCILABLE:
            found = effector.reconcile(action)
            if found is not None:
                return _demand_outcome(found, effector)
            refusal = attempt.action.refusal
            return (
                Outcome("failed", f"not done before a crash, and not to be done any more: {refusal}", "none")
                if refusal
                else None
            )
        return Outcome("unknown", f"a predecessor may have acted before {rfc3339(attempt.wait_until)}")

    # --- what is written -----------------------------------------------------------------------------------

    def _intend(
        self,
        batch: Batch,
        record: Record,
        action: Received,
        number: int,
        out: Outputs,
        *,
        wait_until: Micros = 0,
        taken_over: bool = False,
        delay_s: float = 0.0,
    ) -> Attempt:
        not_after = max(batch.clock, wait_until) + self._limits.window + int(delay_s * SECOND)
        value = {"proposal_id": action.proposal_id, "attempt": number, "not_after": rfc3339(not_after)}
        out.records.append(self._output(record, action, f"intent/{number}", names.INTENT_V1, value))
        return Attempt(record, action, number, not_after, batch.stopwatch(), wait_until, taken_over, delay_s)

    def _end(
        self,
        batch: Batch,
        record: Record,
        action: Received,
        status: str,
        outcome: Outcome,
        attempt: int,
        started_ns: int,
        out: Outputs,
    ) -> None:
        v = action.value
        outcome = _writable(outcome, out.limit_bytes)
        value: dict[str, Any] = {
            "proposal_id": action.proposal_id,
            "status": status,
            "detail": outcome.detail,
            "event_id": v["event_id"],
            "event": v["event"],
            "kind": v.get("kind"),
            "attempt": attempt,
        }
        if status == "failed":
            value["effect"] = outcome.effect or "maybe"
        if outcome.label is not None:
            value["label"] = outcome.label
        out.records.append(self._output(record, action, f"outcome/{status}", names.OUTCOME_V1, value))
        out.spans.append(self._span(batch, record, action, status, outcome.detail, attempt, started_ns))

    def _output(self, record: Record, action: Received, what: str, ce_type: str, value: dict[str, Any]) -> Output:
        trace_id, span_id = self._ids(record, action)
        return Output(
            topic=names.topic(self._app, names.OUTCOMES),
            partition=record.partition,
            key=record.key,
            value=orjson.dumps(value),
            ce_id=f"{action.proposal_id}/{what}".encode(),
            ce_type=ce_type.encode(),
            traceparent=traceparent(trace_id, span_id),
        )

    def _ids(self, record: Record, action: Received) -> tuple[str, str]:
        parent = parse_traceparent(record.header("traceparent"))
        trace_id = parent[0] if parent else trace_id_of(action.value["event_id"])
        return trace_id, span_id_of(names.EFFECTS, action.proposal_id)

    def _span(
        self, batch: Batch, record: Record, action: Received, status: str, detail: str, attempt: int, started_ns: int
    ) -> Span:
        trace_id, span_id = self._ids(record, action)
        parent = parse_traceparent(record.header("traceparent"))
        attributes: dict[str, AttributeValue] = {
            "rivergate.proposal.id": action.proposal_id,
            "rivergate.event.id": str(action.value["event_id"]),
            "rivergate.outcome": status,
            "rivergate.attempt": attempt,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": str(action.value.get("kind")),
        }
        if detail:
            attributes["rivergate.outcome.detail"] = detail
        return Span(
            name=f"effect {action.value.get('kind')}",
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent[1] if parent else "",
            kind=CLIENT,
            start_ns=started_ns,
            end_ns=batch.stopwatch(),
            attributes=attributes,
            error=detail if status != "done" else "",
        )


def _demand_outcome(given: Any, effector: Effector) -> Outcome:
    """What an effector gave, if it is an outcome; nothing else says that it is safe to act again. Raises TypeError."""
    if not isinstance(given, Outcome):
        raise TypeError(f"{type(effector).__name__} gave a {type(given).__name__} instead of an Outcome")
    return given


def _writable(outcome: Outcome, limit_bytes: int) -> Outcome:
    """The outcome as a record can hold it: what came of a deed has to be written, whatever its effector says of it."""
    detail = str(outcome.detail)[:LONGEST_DETAIL].encode(errors="replace").decode()
    label = outcome.label
    try:
        size = len(orjson.dumps(label))
    except orjson.JSONEncodeError as e:
        detail, label = f"{detail} (its label was dropped: {e})", None
    else:
        if size > limit_bytes // 2:
            detail, label = f"{detail} (its label was dropped: it has {size:,} bytes)", None
    return replace(outcome, detail=detail, label=label)
