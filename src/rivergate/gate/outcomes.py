"""Outcomes: labels that effects learnt, the book of actions under way, and people's resolutions of unknown ends.

Outcomes and resolutions are on different topics, and nothing says which the gate reads first. A person may so have seen
an unknown outcome that the gate hasn't come to: the resolution is then kept in the book until it has.
"""

from __future__ import annotations

from typing import Any, Final

from rivergate.domain import names
from rivergate.domain.record import Record
from rivergate.domain.signing import verify
from rivergate.gate.emission import Origin
from rivergate.gate.folding import Turn
from rivergate.gate.proposal import json_object, proposal_id_in

_RESOLVED_EARLY: Final = "resolved early"
"""Of an action of which nothing was read yet but a person's resolution."""
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
    known = turn.state.in_flight.get(pid, {"status": _RESOLVED_EARLY})
    if known["status"] == _RESOLVED_EARLY:
        turn.state.under_way(pid, known | {"status": _INTENT})


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
    early = _enter(turn, pid, value["status"], about)
    if value.get("label") is not None:
        origin = Origin.of_record(record, "outcome", pid)
        turn.emit.label(origin, about, value["label"], "outcome")
    if early is not None:
        _resolve(turn, pid, early, Origin.of_record(record, "resolution", pid))


def _enter(turn: Turn, pid: str, status: str, about: dict[str, Any]) -> dict[str, Any] | None:
    """Bring the book up to date; returns the resolution that has waited for this unknown end."""
    known = turn.state.in_flight.pop(pid, {})
    early: dict[str, Any] | None = known.get("resolution")
    if status == _UNKNOWN and known.get("status") in (_INTENT, _UNKNOWN):
        turn.state.under_way(pid, {"status": _UNKNOWN, **about})
        return early
    if early is not None:
        turn.count("overtaken_resolutions")
    if early is not None or _UNKNOWN in (status, known.get("status")):
        turn.state.close_action(pid)
    return None


def on_resolution(turn: Turn, record: Record, index: int) -> None:
    """A person says how an action ended of which nobody knew: the gate writes the final outcome.

    What can't be accepted goes to the dead letters with the reason.
    """
    value = json_object(record)
    pid = proposal_id_in(value)
    if value is None or pid is None:
        turn.emit.out.skip(index, "a resolution needs `proposal_id`")
        return
    known = turn.state.in_flight.get(pid, {"status": _RESOLVED_EARLY})
    refusal = _refusal(turn, value) or _untimely(turn, pid, known)
    if refusal:
        turn.emit.out.skip(index, refusal)
        return
    said = {"status": value["status"], "detail": str(value.get("note", ""))[:1000], "by": value["by"]}
    if value["status"] == "failed":
        said["effect"] = value.get("effect", "maybe")
    if known["status"] == _UNKNOWN:
        _resolve(turn, pid, said, Origin.of_record(record, "resolution", pid))
    elif pid in turn.state.in_flight:
        known["resolution"] = said
    else:
        turn.state.under_way(pid, known | {"resolution": said})


def _resolve(turn: Turn, pid: str, said: dict[str, Any], origin: Origin) -> None:
    """Write what a person says as the final outcome of an action whose outcome is unknown."""
    known = turn.state.in_flight.pop(pid)
    outcome: dict[str, Any] = {
        "proposal_id": pid,
        "status": said["status"],
        "detail": said["detail"],
        "event_id": known["event_id"],
        "event": known["event"],
        "resolved_by": said["by"],
    }
    if "effect" in said:
        outcome["effect"] = said["effect"]
    turn.state.close_action(pid)
    turn.emit.record(names.OUTCOMES, origin, f"{pid}/resolved", names.OUTCOME_V1, outcome)


def _untimely(turn: Turn, pid: str, known: dict[str, Any]) -> str:
    """Why it comes too late, or nothing: too early it is kept."""
    if pid in turn.state.closed:
        return "no action of that id has an unknown outcome any more"
    if "resolution" in known:
        return "another resolution of that action came before"
    return ""


def _refusal(turn: Turn, value: dict[str, Any]) -> str:
    """Why it can't be accepted whenever it comes, or nothing."""
    if not verify(value, turn.state.keys):
        return "the resolution isn't signed by a trusted review service"
    if value.get("status") not in ("done", "failed"):
        return "a resolution says `done` or `failed`"
    if value.get("effect", "maybe") not in _EFFECTS:
        return f"`effect` is one of {', '.join(_EFFECTS)}"
    if not isinstance(value.get("by"), str) or not value["by"].strip():
        return "the resolution doesn't say by whom"
    return ""
