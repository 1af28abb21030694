"""What the tests of the review queue share: records as the stages write them, and a log in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.ids import arguments_digest, digest_of, traceparent
from rivergate.domain.record import Headers, Output, Record, TopicPartition

APP = "fleet"
START: Micros = 1_790_000_000 * SECOND
HOUR: Micros = 3600 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"

_TOPIC = {
    names.PROPOSAL_V1: names.PROPOSALS,
    names.DECISION_V1: names.DECISIONS,
    names.RESOLUTION_V1: names.DECISIONS,
    names.ACTION_V1: names.ACTIONS,
    names.DENIAL_V1: names.DENIALS,
    names.INTENT_V1: names.OUTCOMES,
    names.OUTCOME_V1: names.OUTCOMES,
}


def proposal_id(n: int) -> str:
    """The n-th proposal's id."""
    return digest_of(["review tests", n])[:32]


@dataclass
class MemoryLog:
    """Partitions as lists: the ports `Tail` and `Writer` at once, for one process. Any thread may append."""

    partition_count: int = 1
    records: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    sent: list[tuple[Output, Headers]] = field(default_factory=list)
    grown: threading.Condition = field(default_factory=threading.Condition)
    at: dict[TopicPartition, int] = field(default_factory=dict)

    def append(self, ce_type: str, value: dict[str, Any], at: Micros = START, partition: int = 0) -> Record:
        """Write a record as a stage would."""
        topic = names.topic(APP, _TOPIC.get(ce_type, names.REVIEWS))
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(value.get("decision_id") or value.get("resolution_id") or value["proposal_id"]).encode()),
            ("ce_source", b"/rivergate/fleet/test"),
            ("ce_type", ce_type.encode()),
            ("ce_time", rfc3339(at).encode()),
            ("content-type", b"application/json"),
            ("traceparent", traceparent(TRACE, "b7ad6b7169203331")),
        ]
        return self._append(topic, partition, b"line-7", orjson.dumps(value), headers)

    def _append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> Record:
        with self.grown:
            there = self.records.setdefault((topic, partition), [])
            record = Record(topic, partition, len(there), key, value, headers, 0)
            there.append(record)
            self.grown.notify_all()
        return record

    # --- Writer ---

    def send(self, record: Output, headers: Headers) -> tuple[int, int]:
        """Append what the review service writes."""
        self.sent.append((record, headers))
        written = self._append(record.topic, record.partition, record.key, record.value, headers)
        return written.partition, written.offset

    # --- Tail ---

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """From the first record to the end."""
        return 0, len(self.records.get(partition, []))

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """All partitions of a topic."""
        return [(topic, p) for p in range(self.partition_count)]

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read on from here."""
        self.at = dict(positions)

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """What there is, waiting for the first."""
        with self.grown:
            self.grown.wait_for(lambda: any(self.watermarks(tp)[1] > n for tp, n in self.at.items()), wait_s)
            found: list[Record] = []
            for tp, n in self.at.items():
                found += self.records.get(tp, [])[n : n + limit - len(found)]
        for r in found:
            self.at[r.topic, r.partition] = r.offset + 1
        return found

    def passed(self) -> Mapping[TopicPartition, int]:
        """Partitions of which everything has been read."""
        return {tp: n for tp, n in self.at.items() if n >= self.watermarks(tp)[1]}

    def close(self) -> None:
        """Nothing to release."""

    def all(self) -> list[Record]:
        """Every record, partition by partition."""
        return [r for there in self.records.values() for r in there]


# --- values of records ---------------------------------------------------------------------------------------


def arguments(n: int, **more: Any) -> dict[str, Any]:
    """Arguments of the n-th proposal."""
    return {"line": f"line-{n}", "cost": 1200.5} | more


def proposal(n: int, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A proposal record's value."""
    args = arguments(n) if args is None else args
    kind = more.get("kind", "shut_down")
    return {
        "proposal_id": proposal_id(n),
        "app": APP,
        "agent": "watcher",
        "kind": kind,
        "arguments": args,
        "arguments_digest": arguments_digest(kind, args),
        "confidence": 0.87,
        "reasons": [
            {"text": "sensor 7 left its band"},
            {"feature": "sensor_7", "value": 41.25, "contribution": 1.8},
            {"feature": "sensor_2", "value": -3.0, "contribution": -0.6},
        ],
        "event_id": f"telemetry/0/{n}",
        "ordinal": 0,
        "event": {"topic": "telemetry", "partition": 0, "offset": n},
        "expires_at": rfc3339(START + HOUR),
    } | more


def opened(n: int, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A review's opening."""
    p = proposal(n, args, **{k: v for k, v in more.items() if k == "kind"})
    return {
        "proposal_id": p["proposal_id"],
        "revision": 0,
        "kind": p["kind"],
        "arguments": p["arguments"],
        "arguments_digest": p["arguments_digest"],
        "policy_digest": "5" * 64,
        "rules": [
            {
                "id": "costly-shutdown",
                "verdict": "review",
                "because": "a shutdown above 1000 waits for a person",
                "values": {"action.cost": 1200.5},
            }
        ],
        "tier": "high",
        "quorum": 1,
        "makers": ["agent:watcher"],
        "expires_at": rfc3339(START + HOUR),
        "event_id": p["event_id"],
        "event": p["event"],
    } | more


def amended(n: int, revision: int, args: dict[str, Any], because: str = "edited") -> dict[str, Any]:
    """A review's amendment."""
    o = opened(n, args)
    kept = {
        k: o[k] for k in ("proposal_id", "arguments", "arguments_digest", "policy_digest", "tier", "quorum", "makers")
    }
    return kept | {"revision": revision, "because": because}


def decision(n: int, decision_id: str, verdict: str = "approve", revision: int = 0, **more: Any) -> dict[str, Any]:
    """A decision's value, signed by nobody."""
    return {
        "decision_id": decision_id,
        "proposal_id": proposal_id(n),
        "revision": revision,
        "verdict": verdict,
        "arguments_digest": opened(n)["arguments_digest"],
        "by": "reviewer-1",
        "note": "",
        "decided_at": rfc3339(START),
        "auth_method": "local-session",
        "auth_time": rfc3339(START),
        "key_id": "k",
        "signature": "s",
    } | more


def judged(n: int, decision_id: str, result: str = "counted", reason: str = "", approvals: int = 1) -> dict[str, Any]:
    """The gate's answer."""
    return {
        "decision_id": decision_id,
        "proposal_id": proposal_id(n),
        "revision": 0,
        "result": result,
        "reason": reason,
        "approvals": approvals,
        "needed": 1,
    }


def settled(n: int, result: str = "approved", *decisions: str) -> dict[str, Any]:
    """A review's end."""
    return {"proposal_id": proposal_id(n), "result": result, "decisions": list(decisions)}


def action(n: int, verdict: str = "review") -> dict[str, Any]:
    """An action."""
    p = proposal(n)
    kept = {
        k: p[k] for k in ("proposal_id", "kind", "arguments", "arguments_digest", "event_id", "event", "expires_at")
    }
    return kept | {"policy_digest": "5" * 64, "verdict": verdict, "rules": ["costly-shutdown"], "decisions": []}


def denial(n: int, reason: str) -> dict[str, Any]:
    """A denial."""
    p = proposal(n)
    kept = {k: p[k] for k in ("proposal_id", "event")}
    return kept | {"policy_digest": "5" * 64, "rules": [], "reason": reason}


def intent(n: int) -> dict[str, Any]:
    """An attempt."""
    return {"proposal_id": proposal_id(n), "attempt": 0, "not_after": rfc3339(START + HOUR)}


def outcome(n: int, status: str = "done", **more: Any) -> dict[str, Any]:
    """An outcome."""
    p = proposal(n)
    return {
        "proposal_id": p["proposal_id"],
        "status": status,
        "detail": "work order 17",
        "event_id": p["event_id"],
        "event": p["event"],
    } | more


def resolution(n: int, by: str = "reviewer-1", status: str = "done") -> dict[str, Any]:
    """A person's word on an unknown outcome, signed by nobody."""
    said = {"resolution_id": f"resolution-{by}", "status": status, "by": by, "note": f"{by} looked"}
    return {"proposal_id": proposal_id(n), "key_id": "k", "signature": "s"} | said
