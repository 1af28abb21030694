"""`Case`: all that the log says about one proposal. The same facts give the same case, in whatever order they came.

The view reads many partitions of six topics, each in its own order and none in step with another. So a case
isn't a machine that moves from state to state: it is a set of facts, one a slot, and what it means is
computed from the set. Merging is commutative, associative and idempotent: reading twice or in another order,
after a crash or a rebuild, ends in the same view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.review.fact import Fact


class State(StrEnum):
    """Where a review stands: open, or the result that the gate settled it with."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Case:
    """Facts by slot. `state` is None for a proposal that no review was opened for."""

    proposal_id: str
    facts: dict[str, Fact] = field(default_factory=dict)

    def merged(self, facts: Iterable[Fact]) -> Case:
        """The case with these facts too; of two for one slot the one that is first on the log stays."""
        merged = dict(self.facts)
        for fact in facts:
            there = merged.get(fact.slot)
            if there is None or fact.order < there.order:
                merged[fact.slot] = fact
        return Case(self.proposal_id, merged)

    # --- what the facts mean ---------------------------------------------------------------------------------

    @property
    def state(self) -> State | None:
        """Open until the gate settles it."""
        settled = self.get("settled")
        if settled is not None:
            return State(settled.value["result"])
        return State.OPEN if "opened" in self.facts else None

    @property
    def current(self) -> Fact | None:
        """The revision in force: the newest amendment, else the opening."""
        amended = max(self.all("amended"), key=lambda f: f.value["revision"], default=None)
        return amended or self.get("opened")

    @property
    def outcome(self) -> Fact | None:
        """The newest outcome, if effects reported one."""
        return max(self.all("outcome"), key=lambda f: f.order, default=None)

    @property
    def final(self) -> Fact | None:
        """The outcome that nothing comes after, if there is one."""
        return next((f for f in self.all("outcome") if f.value["status"] != "unknown"), None)

    @property
    def in_flight(self) -> bool:
        """Whether effects have still to say how its action ended: that may be an unknown outcome, which takes a person."""
        return self.final is None and ("action" in self.facts or bool(self.all("intent")))

    @property
    def unresolved(self) -> bool:
        """Whether nobody knows what came of the action: a person has to say."""
        newest = self.outcome
        return newest is not None and newest.value["status"] == "unknown"

    @property
    def shown(self) -> bool:
        """Whether people see it: it is a review, or an action whose outcome is or was unknown."""
        return self.state is not None or any(o.value["status"] == "unknown" for o in self.all("outcome"))

    @property
    def about(self) -> Fact | None:
        """A fact that carries kind, arguments and event."""
        return self.first("opened", "proposal", "action")

    @property
    def expires_at(self) -> Micros | None:
        """The review's deadline, else the proposal's."""
        fact = self.about
        return parse_rfc3339(fact.value["expires_at"]) if fact is not None else None

    @property
    def last_at(self) -> Micros:
        """When the newest fact was written."""
        return max((parse_rfc3339(f.at) for f in self.facts.values()), default=0)

    # --- facts -----------------------------------------------------------------------------------------------

    def get(self, slot: str) -> Fact | None:
        """The fact in a slot."""
        return self.facts.get(slot)

    def all(self, slot: str) -> list[Fact]:
        """The facts whose slots are numbered `{slot}/…`, in the order of the log."""
        prefix = slot + "/"
        return sorted((f for s, f in self.facts.items() if s.startswith(prefix)), key=lambda f: f.order)

    def first(self, *slots: str) -> Fact | None:
        """The first of these slots that is filled."""
        return next((f for f in (self.facts.get(s) for s in slots) if f is not None), None)

    # --- for the store ---------------------------------------------------------------------------------------

    def to_json(self) -> bytes:
        """The facts, in a canonical order: equal cases give equal bytes."""
        return orjson.dumps([self.facts[s].to_json() for s in sorted(self.facts)])

    @classmethod
    def from_json(cls, proposal_id: str, raw: bytes | str) -> Case:
        """Inverse of `to_json`."""
        listed: list[dict[str, Any]] = orjson.loads(raw)
        return cls(proposal_id, {f["slot"]: Fact(**f) for f in listed})
