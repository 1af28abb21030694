"""A tiny world around the gate: builds the records it reads, folds them, and gives back what it wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, parse_rfc3339, rfc3339
from rivergate.domain.event import Proposal
from rivergate.domain.ids import arguments_digest, proposal_id
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.gate.control import key_record, policy_record
from rivergate.gate.fold import GateFold
from rivergate.ports import Batch, Outputs

APP = "plant"
START: Micros = parse_rfc3339("2026-03-01T12:00:00Z")
OPERATOR = SigningKey(b"o" * 32)
REVIEW_SERVICE = SigningKey(b"r" * 32)
STRANGER = SigningKey(b"s" * 32)
P = "a" * 32
"""Id of a proposal whose action the records about effects are of."""


class Inspect(Proposal):
    line: str
    cost: float
    hours: int = 2


SCHEMAS = {"inspect": Inspect.model_json_schema()}

POLICY = """\
version: 1
constants: {pass_up_to: 100.0}
rules:
  - id: cheap-passes
    kinds: [inspect]
    when: action.cost <= constants.pass_up_to
    verdict: allow
    because: cheap ones pass
  - id: costly-waits
    kinds: [inspect]
    when: action.cost > constants.pass_up_to
    verdict: review
    expires_after: 10m
    because: costly ones wait for a person
  - id: absurd
    kinds: [inspect]
    when: action.cost > 10000.0
    verdict: deny
    because: nothing costs that much
  - id: whole-shifts
    kinds: [inspect]
    when: action.hours > 8
    verdict: modify
    set: {hours: "8"}
"""

QUORUM = POLICY.replace("expires_after: 10m", "quorum: 2")
STRICT = POLICY.replace("action.cost > 10000.0", "action.cost > 120.0")
CHEAPER = POLICY.replace("when: action.hours > 8", "when: action.hours > 1").replace('"8"', '"1"')


@dataclass
class World:
    """A gate and the log before it. Records of one call of `send` are one batch."""

    fold: GateFold = field(default_factory=lambda: GateFold(APP, OPERATOR.public))
    clock: Micros = START
    seq: int = 0
    offsets: Counter[tuple[str, int]] = field(default_factory=Counter)
    out: Outputs = field(default_factory=Outputs)
    spans: list[Any] = field(default_factory=list)
    written: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, *records: Record) -> list[tuple[str, dict[str, Any]]]:
        """Fold one batch; returns (short type, value) of what it wrote."""
        self.out = Outputs()
        self.fold.fold(Batch(APP, names.GATE, 0, self.seq, self.clock, lambda: 7), records, self.out)
        self.seq += 1
        said = [(short(o.ce_type.decode()), orjson.loads(o.value or b"")) for o in self.out.records]
        self.written += said
        self.spans += self.out.spans
        return said

    def later(self, seconds: float) -> World:
        """Let time pass; nothing is folded by that alone."""
        self.clock += round(seconds * SECOND)
        return self

    def ready(self, policy: str = POLICY) -> World:
        """Put the review service's key and a policy in force."""
        self.send(self.key(), self.policy(policy))
        return self

    # --- records -------------------------------------------------------------------------------------------

    def record(
        self, topic: str, ce_type: str, value: Any, *, partition: int = 3, headers: dict[str, bytes] | None = None
    ) -> Record:
        """A record at the next offset of its partition."""
        full = names.topic(APP, topic)
        offset = self.offsets[full, partition]
        self.offsets[full, partition] += 1
        raw = value if isinstance(value, bytes) else orjson.dumps(value)
        there = {"ce_type": ce_type.encode(), **(headers or {})}
        return Record(full, partition, offset, b"key", raw, list(there.items()))

    def policy(self, text: str = POLICY, *, key: SigningKey = OPERATOR, **changes: Any) -> Record:
        """A policy put onto the log; `changes` are made after signing."""
        value = policy_record(text, "plant.yaml", SCHEMAS, key, "operator", self.clock) | changes
        return self.record(names.CONTROL, names.POLICY_PUSHED_V1, value, partition=0)

    def key(self, trusted: SigningKey = REVIEW_SERVICE, *, key: SigningKey = OPERATOR, **changes: Any) -> Record:
        """A key put onto the log."""
        value = key_record(trusted.public, "review_service", key, "operator", self.clock) | changes
        return self.record(names.CONTROL, names.KEY_TRUSTED_V1, value, partition=0)

    def proposal(
        self, cost: float = 50.0, n: int = 0, *, door: bool = False, lives_s: float = 3600, **changes: Any
    ) -> Record:
        """A proposal about event `n`; `changes` are made after ids and digests were computed."""
        arguments = changes.pop("arguments", {"line": f"line-{n}", "cost": cost, "hours": changes.pop("hours", 2)})
        event_id = f"telemetry/3/{n}"
        value = {
            "proposal_id": proposal_id(APP, "watcher", event_id, 0),
            "app": APP,
            "agent": "watcher",
            "kind": "inspect",
            "arguments": arguments,
            "arguments_digest": arguments_digest("inspect", arguments),
            "confidence": 0.75,
            "reasons": [{"text": "looks odd"}],
            "event_id": event_id,
            "ordinal": 0,
            "event": {"topic": "telemetry", "partition": 3, "offset": n},
            "expires_at": rfc3339(START + round(lives_s * SECOND)),
        } | changes
        headers = {"traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"}
        if door:
            headers["ce_source"] = f"/rivergate/{APP}/door".encode()
        else:
            headers["rg_commit"] = b"agent-watcher/3/0/0"
        return self.record(names.PROPOSALS, names.PROPOSAL_V1, value, headers=headers)

    def decision(
        self,
        opened: dict[str, Any],
        verdict: str = "approve",
        by: str = "reviewer-1",
        *,
        name: str = "d1",
        key: SigningKey = REVIEW_SERVICE,
        **changes: Any,
    ) -> Record:
        """A signed decision on a review as its newest record describes it; `changes` are made before signing."""
        value = {
            "decision_id": name,
            "proposal_id": opened["proposal_id"],
            "revision": opened["revision"],
            "verdict": verdict,
            "arguments_digest": opened["arguments_digest"],
            "by": by,
            "note": "",
            "decided_at": rfc3339(self.clock),
            "auth_method": "password",
            "auth_time": rfc3339(self.clock),
        } | changes
        return self.record(names.DECISIONS, names.DECISION_V1, key.sign(value))

    def edit(self, opened: dict[str, Any], by: str = "reviewer-1", *, name: str = "e1", **arguments: Any) -> Record:
        """A decision that changes arguments."""
        new = opened["arguments"] | arguments
        digest = arguments_digest("inspect", new)
        return self.decision(opened, "edit", by, name=name, arguments=new, new_arguments_digest=digest)

    def intent(self, pid: str = P) -> Record:
        """Effects are about to act."""
        return self.record(names.OUTCOMES, names.INTENT_V1, {"proposal_id": pid, "attempt": 1, "not_after": ""})

    def resolution(self, key: SigningKey = REVIEW_SERVICE, **changes: Any) -> Record:
        """What a person says of an unknown end; `changes` are made before signing."""
        value = {"proposal_id": P, "status": "done", "by": "reviewer-1", "note": "I looked"} | changes
        return self.record(names.DECISIONS, names.RESOLUTION_V1, key.sign(value))

    def outcome(self, pid: str, status: str = "done", **more: Any) -> Record:
        """What effects say of an action."""
        event = {"topic": "telemetry", "partition": 3, "offset": 0}
        value = {"proposal_id": pid, "status": status, "detail": "", "event_id": "telemetry/3/0", "event": event} | more
        return self.record(names.OUTCOMES, names.OUTCOME_V1, value)

    def open_review(self, cost: float = 140.0, n: int = 0, **changes: Any) -> dict[str, Any]:
        """Propose something costly; returns the record of the opened review."""
        said = self.send(self.proposal(cost, n, **changes))
        assert [t for t, _ in said] == ["review.opened"]
        return said[0][1]

    # --- what was skipped ----------------------------------------------------------------------------------

    @property
    def skipped(self) -> list[str]:
        """Reasons of the records that the last batch skipped."""
        return [why for _, why in self.out.skipped]


def short(ce_type: str) -> str:
    """`rivergate.review.opened.v1` → `review.opened`."""
    return ce_type.removeprefix("rivergate.").removesuffix(".v1")


def kinds_of(said: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The short types of what was written."""
    return [t for t, _ in said]


def rules_of(value: dict[str, Any]) -> list[str]:
    """Ids of the rules that a record names."""
    return [r["id"] for r in value["rules"]]
