"""All that the gate knows, and how it goes into a snapshot: JSON, nothing pickled.

Bounds (by count; by age in brackets), each with a counter for what fell out or was turned away:

| what | bound | what happens beyond |
|---|---|---|
| judged ids (until the proposal expires) | `JUDGED` | the ones that expire first fall out (`forgotten_ids`) |
| decision ids (an hour after `decided_at`) | `DECIDED` | likewise |
| open reviews (until they expire) | `OPEN_REVIEWS` | further proposals under review are denied (`queue_full`) |
| settled reviews, for the reason of a refusal | `SETTLED` | the oldest fall out |
| actions between intent and final outcome, or with a resolution that waits for the unknown one | `IN_FLIGHT` | the oldest fall out (`forgotten_actions`) |
| actions that can't be resolved any more, for the refusal of who does | `SETTLED` | the oldest fall out |
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Final

import orjson

from rivergate.domain.clock import Micros
from rivergate.domain.errors import SnapshotCorrupt
from rivergate.gate.expiring_ids import ExpiringIds
from rivergate.gate.review import Review

JUDGED: Final = 100_000
DECIDED: Final = 50_000
OPEN_REVIEWS: Final = 10_000
SETTLED: Final = 10_000
IN_FLIGHT: Final = 50_000


@dataclass(frozen=True, slots=True)
class PolicySource:
    """The policy in force as it came over the log, to be compiled again after a restart."""

    text: str
    file: str
    schemas: dict[str, dict[str, Any]]
    digest: str
    issued_at: Micros


class GateState:
    """Plain data; what to do with it is decided elsewhere."""

    def __init__(self) -> None:
        self.judged = ExpiringIds(JUDGED)
        self.decided = ExpiringIds(DECIDED)
        self.reviews: dict[str, Review] = {}
        self.settled: dict[str, str] = {}
        self.in_flight: dict[str, dict[str, Any]] = {}
        self.closed: dict[str, None] = {}
        self.keys: dict[str, bytes] = {}
        self.policy: PolicySource | None = None
        self.counters: Counter[str] = Counter()
        self._deadlines: list[tuple[Micros, str]] = []

    # --- reviews and their deadlines -----------------------------------------------------------------------

    def open(self, review: Review) -> None:
        """Keep an open review; its deadline is a timer."""
        self.reviews[review.proposal_id] = review
        heappush(self._deadlines, (review.expires_at, review.proposal_id))

    def close(self, review: Review, result: str) -> None:
        """The review is settled; for a while its result is known to whoever decides too late."""
        del self.reviews[review.proposal_id]
        _keep(self.settled, review.proposal_id, result, SETTLED)

    def next_deadline(self) -> Micros | None:
        """When the first open review expires."""
        while self._deadlines:
            at, pid = self._deadlines[0]
            review = self.reviews.get(pid)
            if review is not None and review.expires_at == at:
                break
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expired_review(self, clock: Micros) -> Review | None:
        """The review whose deadline is the earliest of those that have come, the smaller id first."""
        due = self.next_deadline()
        return self.reviews[self._deadlines[0][1]] if due is not None and due <= clock else None

    # --- actions under way ---------------------------------------------------------------------------------

    def under_way(self, proposal_id: str, what: dict[str, Any]) -> None:
        """An action was begun, or nobody knows how it ended."""
        self.counters["forgotten_actions"] += _keep(self.in_flight, proposal_id, what, IN_FLIGHT)

    def close_action(self, proposal_id: str) -> None:
        """Nobody can resolve this action any more; for a while that is known."""
        _keep(self.closed, proposal_id, None, SETTLED)

    # --- snapshots -----------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """JSON; equal states give equal bytes. Keys keep their order: arguments are written again as they came."""
        policy = self.policy
        value = {
            "format": 1,
            "judged": self.judged.dump(),
            "decided": self.decided.dump(),
            "reviews": {pid: review.to_json() for pid, review in self.reviews.items()},
            "settled": list(self.settled.items()),
            "in_flight": list(self.in_flight.items()),
            "closed": list(self.closed),
            "keys": {name: base64.b64encode(key).decode() for name, key in self.keys.items()},
            "policy": None
            if policy is None
            else [policy.text, policy.file, policy.schemas, policy.digest, policy.issued_at],
            "counters": {name: count for name, count in sorted(self.counters.items()) if count},
        }
        return orjson.dumps(value)

    @staticmethod
    def load(raw: bytes) -> GateState:
        """Inverse of `dump`. Raises `SnapshotCorrupt`."""
        state = GateState()
        try:
            value = orjson.loads(raw)
            if value["format"] != 1:
                raise SnapshotCorrupt(f"state format {value['format']!r}", remedy="use the version that wrote it")
            state.judged.load(value["judged"])
            state.decided.load(value["decided"])
            state.reviews = {pid: Review.from_json(r) for pid, r in value["reviews"].items()}
            state.settled = dict(value["settled"])
            state.in_flight = dict(value["in_flight"])
            state.closed = dict.fromkeys(value.get("closed", ()))  # states of before have none
            state.keys = {name: base64.b64decode(key, validate=True) for name, key in value["keys"].items()}
            state.policy = None if value["policy"] is None else PolicySource(*value["policy"])
            state.counters = Counter(value["counters"])
        except (KeyError, TypeError, ValueError) as e:
            raise SnapshotCorrupt(
                f"not a state of the gate: {e!r}", remedy="let the gate rebuild itself from the log"
            ) from e
        state._deadlines = [(r.expires_at, r.proposal_id) for r in state.reviews.values()]
        heapify(state._deadlines)
        return state

    def digest(self) -> str:
        """Hex SHA-256 of the state."""
        return hashlib.sha256(self.dump()).hexdigest()


def _keep(kept: dict[str, Any], name: str, value: Any, limit: int) -> int:
    """Keep the newest `limit` entries; returns how many fell out."""
    kept.pop(name, None)
    kept[name] = value
    if len(kept) <= limit:
        return 0
    del kept[next(iter(kept))]
    return 1
