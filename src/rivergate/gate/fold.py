"""`GateFold`: the gate as a pure fold over proposals, decisions, outcomes and control records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from rivergate.domain import names
from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import RecordFailed, RivergateError, SnapshotCorrupt
from rivergate.domain.record import Record
from rivergate.domain.signing import key_id_of
from rivergate.gate.control import check_signed, read_key, read_policy
from rivergate.gate.decisions import on_decision
from rivergate.gate.emission import Emission, Origin
from rivergate.gate.folding import Turn
from rivergate.gate.judging import Judge
from rivergate.gate.outcomes import on_intent, on_outcome, on_resolution
from rivergate.gate.policy.conditions import ConditionEngine
from rivergate.gate.policy.file import load_policy
from rivergate.gate.proposal import json_object
from rivergate.gate.proposals import fire_deadlines, on_proposal, on_withdrawal
from rivergate.gate.state import GateState, PolicySource
from rivergate.ports import Batch, Outputs

Handler = Callable[[Turn, Record, int], None]

_HANDLERS: Final[dict[tuple[str, str], Handler]] = {
    (names.PROPOSALS, names.PROPOSAL_V1): on_proposal,
    (names.PROPOSALS, names.WITHDRAWAL_V1): on_withdrawal,
    (names.DECISIONS, names.DECISION_V1): on_decision,
    (names.DECISIONS, names.RESOLUTION_V1): on_resolution,
    (names.OUTCOMES, names.INTENT_V1): on_intent,
    (names.OUTCOMES, names.OUTCOME_V1): on_outcome,
}


class GateFold:
    """Implements `ports.Fold`. `operator_key` is the operator's public key, 32 raw bytes: whose word is law here.

    Before any policy is in force every proposal is denied. Records of unknown types are skipped.
    """

    def __init__(self, app: str, operator_key: bytes, engine: ConditionEngine | None = None) -> None:
        if engine is None:
            from rivergate.gate.policy.cel import CelEngine

            engine = CelEngine()
        self.state = GateState()
        self._app = app
        self._operator = {key_id_of(operator_key): operator_key}
        self._engine = engine
        self._judge: Judge | None = None
        self._control = names.topic(app, names.CONTROL)
        self._handlers = {(names.topic(app, t), ce_type): h for (t, ce_type), h in _HANDLERS.items()}

    # --- ports.Fold ----------------------------------------------------------------------------------------

    def fold(self, batch: Batch, records: Sequence[Record], out: Outputs) -> None:
        """See `ports.Fold.fold`."""
        turn = Turn(self.state, Emission(self._app, batch, out), self._judge)
        self.state.judged.expire(batch.clock)
        self.state.decided.expire(batch.clock)
        index = -1
        try:
            fire_deadlines(turn)
            for index, record in enumerate(records):
                if record.topic == self._control:
                    self._on_control(turn, record)
                    continue
                handler = self._handlers.get((record.topic, record.ce_type))
                if handler is None:
                    out.skip(index, f"the gate knows no {record.ce_type or 'untyped record'!r} on {record.topic}")
                else:
                    handler(turn, record, index)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:
            where = str(records[index].position) if index >= 0 else "a deadline"
            raise RecordFailed(index, f"{type(e).__name__}: {e}", where=where) from e

    def next_deadline(self) -> Micros | None:
        """See `ports.Fold.next_deadline`."""
        return self.state.next_deadline()

    def dump(self) -> bytes:
        """See `ports.Fold.dump`."""
        return self.state.dump()

    def load(self, state: bytes) -> None:
        """See `ports.Fold.load`. Conditions are compiled anew."""
        loaded = GateState.load(state)
        source = loaded.policy
        judge = None
        if source is not None:
            try:
                policy = load_policy(source.text, source.file, source.schemas, self._engine)
            except RivergateError as e:
                raise SnapshotCorrupt(f"the policy in the state doesn't load: {e}", remedy=_OTHER_ENGINE) from e
            if policy.digest != source.digest:
                raise SnapshotCorrupt("the policy in the state has another digest here", remedy=_OTHER_ENGINE)
            judge = Judge(policy, self._engine)
        self.state, self._judge = loaded, judge

    def digest(self) -> str:
        """See `ports.Fold.digest`."""
        return self.state.digest()

    # --- control -------------------------------------------------------------------------------------------

    def _on_control(self, turn: Turn, record: Record) -> None:
        """Put it in force or refuse it; say so on `control_applied` either way."""
        value = json_object(record) or {}
        what = {names.POLICY_PUSHED_V1: "policy", names.KEY_TRUSTED_V1: "key"}.get(record.ce_type, "unknown")
        refusal = check_signed(value, self._operator)
        if not refusal:
            try:
                self._apply(record.ce_type, value)
            except RivergateError as e:
                refusal = str(e)[:2000]
        turn.judge = self._judge
        if refusal:
            turn.count("refused_control_records")
        turn.emit.record(
            names.CONTROL_APPLIED,
            Origin.of_record(record, "control_applied"),
            f"{record.partition}/{record.offset}/applied",
            names.CONTROL_APPLIED_V1,
            {
                "control": {"topic": record.topic, "partition": record.partition, "offset": record.offset},
                "what": what,
                "result": "refused" if refusal else "applied",
                "reason": refusal,
                "policy_digest": turn.policy_digest,
                "key_id_of_key": str(value.get("key_id_of_key", ""))[:64],
                "by": str(value.get("by", ""))[:200],
                "at": turn.emit.now,
            },
        )

    def _apply(self, ce_type: str, value: dict[str, Any]) -> None:
        """Raises `RivergateError` with the reason where it can't be put in force."""
        if ce_type == names.KEY_TRUSTED_V1:
            key_id, public_key = read_key(value)
            self.state.keys[key_id] = public_key
            return
        if ce_type != names.POLICY_PUSHED_V1:
            raise RivergateError(f"this gate knows no {ce_type or 'untyped record'!r}", remedy="upgrade the gate")
        issued_at = _issued_at(value)
        before = self.state.policy
        if before is not None and issued_at < before.issued_at:
            raise RivergateError("older than the policy in force", remedy="sign it again to put it in force")
        policy = read_policy(value, self._engine)
        self._judge = Judge(policy, self._engine)
        self.state.policy = PolicySource(value["source"], value["file"], value["schemas"], policy.digest, issued_at)


_OTHER_ENGINE: Final = "start the gate with the versions that wrote the snapshot, or let it rebuild from the log"


def _issued_at(value: dict[str, Any]) -> Micros:
    try:
        return parse_rfc3339(value["issued_at"])
    except (KeyError, ValueError, TypeError) as e:
        raise RivergateError("issued_at must be RFC 3339", remedy="build it with gate.control.policy_record") from e
