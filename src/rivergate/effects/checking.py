"""What is checked again before anything is done: the gate may have been right then and wrong now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.ids import arguments_digest
from rivergate.domain.record import Record


@dataclass(frozen=True, slots=True)
class Received:
    """An action record that can be identified. `refusal` is empty where it may be performed."""

    proposal_id: str
    value: dict[str, Any]
    refusal: str

    def has_expired(self, now: Micros) -> bool:
        """Whether it must not be begun any more."""
        return parse_rfc3339(self.value["expires_at"]) <= now


def received(record: Record, kinds: Collection[str], now: Micros) -> Received | None:
    """Read an action and check digest, kind and expiry; None where it can't be identified."""
    try:
        value = orjson.loads(record.value or b"")
        pid = value["proposal_id"]
        event = value["event"]
        event["topic"], event["partition"], event["offset"]
        identified = isinstance(pid, str) and isinstance(value["event_id"], str)
    except (ValueError, KeyError, TypeError):
        return None
    return Received(pid, value, _refusal(value, kinds, now)) if identified else None


def _refusal(value: dict[str, Any], kinds: Collection[str], now: Micros) -> str:
    try:
        kind, arguments = value["kind"], value["arguments"]
        if arguments_digest(kind, arguments) != value["arguments_digest"]:
            return "the arguments don't hash to the digest that was allowed"
        if kind not in kinds:
            return f"no effector for kind {kind!r}; there are {', '.join(sorted(kinds)) or 'none'}"
        if parse_rfc3339(value["expires_at"]) <= now:
            return f"expired at {value['expires_at']}"
    except (KeyError, TypeError, ValueError, BadInput) as e:
        return f"not a well-formed action: {e!r}"
    return ""
