"""Effects as the work of a performer: the kernel's protocol over `effects.attempts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rivergate.domain import names
from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.record import Position, Record
from rivergate.effects.attempts import REMOVED, Attempt, Effects, Intent, Waiting
from rivergate.effects.effector import Delivery
from rivergate.kernel.history import History
from rivergate.kernel.work import Deed, Known
from rivergate.ports import Batch, Outputs


class EffectsWork:
    """See `kernel.work.Work`."""

    def __init__(self, app: str, effects: Effects) -> None:
        self._app = app
        self._effects = effects

    def plan(self, batch: Batch, record: Record, index: int, out: Outputs) -> Deed | None:
        """An intent and its deed, or an action that waits for its turn, or a refusal."""
        return self._deed(self._effects.begin(batch, record, index, out))

    def recover(
        self,
        batch: Batch,
        records: Sequence[Record],
        history: History,
        known: Mapping[Position, Known],
        out: Outputs,
    ) -> list[Deed]:
        """What is known goes on from there; of the rest, each gets another attempt, numbered after the newest that a
        predecessor wrote.
        """
        strange = [r for r in records if r.position not in known]
        newest = newest_intents(self._app, strange, history) if strange else {}
        attempts: list[Attempt | Waiting | None] = []
        for record in records:
            stands = known.get(record.position)
            if stands is None:
                attempts.append(self._effects.take_over(batch, record, newest.get(_proposal_of(record)), out))
            elif stands.begun:
                attempts.append(self._effects.end(batch, stands.deed.subject, stands.result, out))
            else:
                attempts.append(stands.deed.subject)
        return [deed for attempt in attempts if (deed := self._deed(attempt)) is not None]

    def finish(self, batch: Batch, deed: Deed, result: Any, out: Outputs) -> Deed | None:
        """The outcome, or another attempt."""
        return self._deed(self._effects.end(batch, deed.subject, result, out))

    def interrupt(self) -> None:
        """Attempts that wait come back; those that act go on."""
        self._effects.interrupt()

    def close(self) -> None:
        """Release the effectors."""
        self._effects.close()

    def _deed(self, attempt: Attempt | Waiting | None) -> Deed | None:
        if attempt is None:
            return None
        record = attempt.record
        made = Deed(record.position, record.key or b"", subject=attempt, in_turn=self._effects.in_turn(attempt.action))
        if isinstance(attempt, Waiting):
            return replace(made, intend=partial(self._intend, attempt))
        return replace(made, do=partial(self._effects.perform, attempt))

    def _intend(self, waiting: Waiting, batch: Batch, out: Outputs) -> Deed | None:
        return self._deed(self._effects.intend(batch, waiting, out))


def newest_intents(app: str, records: Sequence[Record], history: History) -> dict[str, Intent]:
    """The newest intent of each of these actions. Where retention has removed some of them, each has one that says nothing."""
    topic = names.topic(app, names.OUTCOMES)
    wanted = {_proposal_of(r) for r in records}
    found = {_proposal_of(r): REMOVED for r in records if not history.is_whole(topic, r.partition)}
    for partition in {r.partition for r in records}:
        for r in history.scan(topic, partition):
            if r.header("ce_type") != names.INTENT_V1.encode():
                continue
            value = r.json_object or {}
            pid = value.get("proposal_id")
            if r.header("rg_commit") and isinstance(pid, str) and pid in wanted:
                found[pid] = Intent(
                    value["attempt"], parse_rfc3339(value["not_after"]), _delivery(value.get("delivery"))
                )
    return found


def _delivery(told: Any) -> Delivery | None:
    """What an intent tells; of a word that isn't known nothing can be known."""
    if told is None:
        return None
    return Delivery(told) if told in list(Delivery) else Delivery.NEITHER


def _proposal_of(record: Record) -> str:
    """Id of a record whose intent was committed, which was readable then."""
    return str((record.json_object or {}).get("proposal_id", ""))
