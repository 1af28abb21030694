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
STATUSES = ("done", "failed", "unknown")
EFFECTS = (None, "none", "maybe", "partial")


@dataclass(frozen=True, slots=True)
class EffectLimits:
    """`window` is how long after its intent a deed may begin (microseconds); idempotent ones are tried `attempts`
    times, waiting `retry_s` seconds, twice as long each time. One that can be asked is asked up to `asks` times, with the
    same pauses, but none longer than `longest_pause_s`.
    """

    window: Micros = 30 * SECOND
    attempts: int = 3
    retry_s: float = 0.2
    asks: int = 12
    longest_pause_s: float = 15.0


class Interruption(Enum):
    """An attempt was called off while it waited: nothing was done, and nothing was found out."""

    INTERRUPTED = "interrupted"


INTERRUPTED: Final = Interruption.INTERRUPTED

Result = Outcome | Interruption | None
"""What comes of an attempt. None where nothing was done and it is safe to try again."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The newest intent that a predecessor wrote. `delivery` is what its effector promised, where that is told."""

    number: int
    not_after: Micros
    delivery: Delivery | None = None


REMOVED: Final = Intent(0, 0, Delivery.NEITHER)
"""Stands for intents that retention may have removed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action that waits for its turn: no attempt is under way, and `tried` of them certainly did nothing."""

    record: Record
    action: Received
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an action, whose intent stands. `before` is a predecessor's attempt that may have done it."""

    record: Record
    action: Received
    number: int
    not_after: Micros
    started_ns: int
    before: Intent | None = None
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

    def begin(self, batch: Batch, record: Record, index: int, out: Outputs) -> Attempt | Waiting | None:
        """An action was read: its intent, or its refusal, or a dead letter. One whose effector isn't idempotent waits: from
        its intent on nobody could be certain that nothing was done.
        """
        action = received(record, self._effectors.keys(), batch.clock)
        if action is None:
            out.skip(index, "not an action: it needs `proposal_id`, `event_id` and `event`")
            return None
        if action.refusal:
            self._refuse(batch, record, action, action.refusal, out)
            return None
        if self.in_turn(action):
            return Waiting(record, action)
        return self._intend(batch, record, action, 1, out)

    def intend(self, batch: Batch, waiting: Waiting, out: Outputs) -> Attempt | None:
        """It is an action's turn: its intent, or its end where it has expired meanwhile."""
        record, action = waiting.record, waiting.action
        if not action.has_expired(batch.clock):
            return self._intend(batch, record, action, waiting.tried + 1, out)
        if waiting.tried:
            outcome = Outcome("failed", f"{_expired(action)}, and nothing was done before", "none")
            self._end(batch, record, action, "failed", outcome, waiting.tried, batch.stopwatch(), out)
        else:
            self._refuse(batch, record, action, _expired(action), out)
        return None

    def take_over(self, batch: Batch, record: Record, before: Intent | None, out: Outputs) -> Attempt | Waiting | None:
        """An action that a predecessor left open, with its newest intent if there is one."""
        if before is None:
            return self.begin(batch, record, 0, out)
        action = received(record, self._effectors.keys(), batch.clock)
        return None if action is None else self._intend(batch, record, action, before.number + 1, out, before=before)

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
            before = attempt.before
            again = before is not None and _promise(before.delivery, effector.delivery) is Delivery.IDEMPOTENT
            if before is not None and not again:
                found = self._find_out(effector, action, attempt, before)
                if found is not None:
                    return found
            in_turn = effector.delivery is not Delivery.IDEMPOTENT
            if attempt.action.has_expired(self._clock()):
                if again:
                    return Outcome("unknown", f"{_expired(attempt.action)}; a predecessor may have acted")
                if in_turn or attempt.number == 1:  # else it was begun in time, and is only tried again
                    return Outcome("failed", f"{_expired(attempt.action)}, and nothing was done before", "none")
            if in_turn and self._clock() > attempt.not_after:
                return None
            return _demand_outcome(effector.perform(action, attempt.not_after), effector)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # noqa: BLE001 - whatever an effector raises is its outcome, `sys.exit()` too
            told = _told(e)
            _LOG.warning("effector of %s failed on %s: %s", action.kind, action.key, told)
            return Outcome("failed", told, effect="maybe")

    def end(self, batch: Batch, attempt: Attempt, outcome: Result, out: Outputs) -> Attempt | Waiting | None:
        """An attempt came back: its outcome, or the next attempt, or the same one where it was interrupted."""
        if outcome is INTERRUPTED:  # its intent stands, and what a predecessor may have done is as open as it was
            return attempt
        if outcome is None:
            return Waiting(attempt.record, attempt.action, attempt.number)
        if (
            (outcome.status, outcome.effect) == ("failed", "maybe")
            and self._delivery(attempt.action) is Delivery.IDEMPOTENT
            and attempt.number < self._limits.attempts
        ):
            delay_s = self._limits.retry_s * 2 ** (attempt.number - 1)
            return self._intend(batch, attempt.record, attempt.action, attempt.number + 1, out, delay_s=delay_s)
        self._end(
            batch, attempt.record, attempt.action, outcome.status, outcome, attempt.number, attempt.started_ns, out
        )
        return None

    def in_turn(self, action: Received) -> bool:
        """Whether no more of its kind may be begun than can act: those whose deeds aren't idempotent."""
        return self._delivery(action) is not Delivery.IDEMPOTENT

    def _delivery(self, action: Received) -> Delivery:
        """What its effector promises; of one that isn't there any more nothing can be known."""
        effector = self._effectors.get(action.value.get("kind", ""))
        return Delivery.NEITHER if effector is None else effector.delivery

    def interrupt(self) -> None:
        """Call off what waits: attempts come back as `INTERRUPTED`. What acts goes on. Any thread."""
        self._closing.set()

    def close(self) -> None:
        """Release the effectors."""
        self._closing.set()
        for effector in {id(e): e for e in self._effectors.values()}.values():
            effector.close()

    def _find_out(self, effector: Effector, action: Action, attempt: Attempt, before: Intent) -> Result:
        """After a crash: whether a predecessor did it. None where it certainly didn't."""
        if before == REMOVED:
            return Outcome("unknown", "retention has removed what would tell whether it was begun")
        while (left := before.not_after - self._clock()) > 0:
            if self._closing.wait(min(left / SECOND, 1.0)):
                return INTERRUPTED
        if _promise(before.delivery, effector.delivery) is Delivery.NEITHER:
            return Outcome("unknown", f"a predecessor may have acted before {rfc3339(before.not_after)}")
        found = self._ask(effector, action)
        if found is None and attempt.action.refusal:
            return Outcome("failed", f"not to be done any more, and not done before: {attempt.action.refusal}", "none")
        return found

    def _ask(self, effector: Effector, action: Action) -> Result:
        """Whether a predecessor did it. That nobody answers says nothing of the deed, and to ask again is harmless."""
        told = ""
        for n in range(self._limits.asks):
            if n and self._closing.wait(min(self._limits.retry_s * 2 ** (n - 1), self._limits.longest_pause_s)):
                return INTERRUPTED
            try:
                found = effector.reconcile(action)
                return None if found is None else _demand_outcome(found, effector)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as e:  # noqa: BLE001 - as with `perform`
                told = _told(e)
                _LOG.warning("effector of %s can't say whether %s was done: %s", action.kind, action.key, told)
        return Outcome(
            "unknown", f"a predecessor may have acted; asked {self._limits.asks} times whether it did: {told}"
        )

    # --- what is written -----------------------------------------------------------------------------------

    def _intend(
        self,
        batch: Batch,
        record: Record,
        action: Received,
        number: int,
        out: Outputs,
        *,
        before: Intent | None = None,
        delay_s: float = 0.0,
    ) -> Attempt:
        promise = _promise(before.delivery if before else None, self._delivery(action))
        start = max(batch.clock, before.not_after) if before else batch.clock
        not_after = start + self._limits.window + int(delay_s * SECOND)
        value = {
            "proposal_id": action.proposal_id,
            "attempt": number,
            "not_after": rfc3339(not_after),
            "delivery": promise.value,
        }
        out.records.append(self._output(record, action, f"intent/{number}", names.INTENT_V1, value))
        return Attempt(record, action, number, not_after, batch.stopwatch(), before, delay_s)

    def _refuse(self, batch: Batch, record: Record, action: Received, why: str, out: Outputs) -> None:
        self._end(batch, record, action, "refused", Outcome("failed", why), 0, batch.stopwatch(), out)

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


def _promise(before: Delivery | None, now: Delivery) -> Delivery:
    """What can be known of a deed that an effector with the promise `before` may have done, by one with the promise `now`.
    The key or the reference that wasn't sent then doesn't help now, and who was idempotent needn't have kept to `not_after`.
    """
    return now if before in (None, now) else Delivery.NEITHER


def _expired(action: Received) -> str:
    return f"expired at {action.value['expires_at']}"


def _demand_outcome(given: Any, effector: Effector) -> Outcome:
    """What an effector gave, if it is an outcome; nothing else says that it is safe to act again. Raises TypeError."""
    if not isinstance(given, Outcome):
        raise TypeError(f"{type(effector).__name__} gave a {type(given).__name__} instead of an Outcome")
    if given.status not in STATUSES or given.effect not in EFFECTS:
        raise TypeError(
            f"{type(effector).__name__} gave status {given.status!r}, effect {given.effect!r}; the status is one of"
            f" {', '.join(STATUSES)}, the effect none, maybe, partial or None"
        )
    return given


def _told(error: BaseException) -> str:
    """What was raised, also where that can't say what it is."""
    return f"{type(error).__name__}: {_text(error)}"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as e:  # noqa: BLE001 - users' code
        return f"({type(value).__name__} without a text: {type(e).__name__})"


def _writable(outcome: Outcome, limit_bytes: int) -> Outcome:
    """The outcome as a record can hold it: what came of a deed has to be written, whatever its effector says of it."""
    detail = _text(outcome.detail)[:LONGEST_DETAIL].encode(errors="replace").decode()
    label = outcome.label
    try:
        size = len(orjson.dumps(label))
    except orjson.JSONEncodeError as e:
        detail, label = f"{detail} (its label was dropped: {e})", None
    else:
        if size > limit_bytes // 2:
            detail, label = f"{detail} (its label was dropped: it has {size:,} bytes)", None
    return replace(outcome, detail=detail, label=label)
