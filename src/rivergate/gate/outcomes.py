"""Outcomes: labels that effects learnt, the book of actions under way, and people's resolutions of unknown ends."""

from __future__ import annotations

from typing import Any, Final

from rivergate.domain import names
from rivergate.domain.record import Record
from rivergate.domain.signing import verify
from rivergate.gate.emission import Origin
from rivergate.gate.folding import Turn
from rivergate.gate.proposal import json_object, proposal_id_in

_INTENT: Final = "intent"
_UNKNOWN: Final = "unknown"
_FINAL: Final = ("done", "failed", "refused")
_EFFECTS: Final = ("none", "maybe", "partial")


def on_intent(turn: Turn, record: Record, index: int) -> None:
    """An action is about to be done."""
    value = json_object(record)
    pid = proposal_id_in(value)
    if pid is None:
        turn.emit.out.skip(index, "an intent needs `proposal_id`")
        return
    if pid not in turn.state.in_flight:
        turn.state.under_way(pid, {"status": _INTENT})


def on_outcome(turn: Turn, record: Record, index: int) -> None:
    """Close the book on an action, or note that nobody knows; pass on what the effector learnt."""
    value = json_object(record)
    pid = proposal_id_in(value)
    if value is None or pid is None or value.get("status") not in (*_FINAL, _UNKNOWN):
        turn.emit.out.skip(index, "an outcome needs `proposal_id` and a known `status`")
        return
    if not isinstance(value.get("event_id"), str) or not isinstance(value.get("event"), dict):
        turn.emit.out.skip(index, "an outcome needs `event_id` and `event`")
        return
    if len(record.value or b"") > turn.emit.out.limit_bytes:
        turn.emit.out.skip(index, f"an outcome of {len(record.value or b'')} bytes can't be passed on as a label")
        return
    about = {"proposal_id": pid, "event_id": value["event_id"], "event": value["event"]}
    if value["status"] != _UNKNOWN:
        turn.state.in_flight.pop(pid, None)
    elif pid in turn.state.in_flight:
        turn.state.under_way(pid, {"status": _UNKNOWN, **about})
    if value.get("label") is not None:
        origin = Origin.of_record(record, "outcome", pid)
        turn.emit.label(origin, about, value["label"], "outcome")


def on_resolution(turn: Turn, record: Record, index: int) -> None:
    """A person says how an action ended of which nobody knew: the gate writes the final outcome.

    What can't be accepted goes to the dead letters with the reason.
    """
    value = json_object(record)
    if value is None:
        turn.emit.out.skip(index, "not a JSON object")
        return
    refusal = _refusal(turn, value)
    if refusal:
        turn.emit.out.skip(index, refusal)
        return
    pid = value["proposal_id"]
    known = turn.state.in_flight.pop(pid)
    outcome: dict[str, Any] = {
        "proposal_id": pid,
        "status": value["status"],
        "detail": str(value.get("note", ""))[:1000],
        "event_id": known["event_id"],
        "event": known["event"],
        "resolved_by": value["by"],
    }
    if value["status"] == "failed":
        outcome["effect"] = value.get("effect", "maybe")
    origin = Origin.of_record(record, "resolution", pid)
    turn.emit.record(names.OUTCOMES, origin, f"{pid}/resolved", names.OUTCOME_V1, outcome)


def _refusal(turn: Turn, value: dict[str, Any]) -> str:
    if not verify(value, turn.state.keys):
        return "the resolution isn't signed by a trusted review service"
    known = turn.state.in_flight.get(str(value.get("proposal_id")))
    if known is None or known["status"] != _UNKNOWN:
        return "no action of that id has an unknown outcome"
    if value.get("status") not in ("done", "failed"):
        return "a resolution says `done` or `failed`"
    if value.get("effect", "maybe") not in _EFFECTS:
        return f"`effect` is one of {', '.join(_EFFECTS)}"
    if not isinstance(value.get("by"), str) or not value["by"].strip():
        return "the resolution doesn't say by whom"
    return ""
