"""What happens in the tiny world: five proposals on each of two partitions, one for every way to end.

A is allowed and done, B approved by a person, C denied, D expires unreviewed, E is edited by one person and approved by
another. One event can't be decoded. Names of records (`action A`) and commits (`gate judges`) are where faults go; those
of partition 1 end in `'`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.unit.checker.world import APP, START, Change, CommitChange, Draft, Signer, World, rfc3339, sha256_hex, span

AGENT, EVENTS, KIND = "w", f"{APP}-events", "inspect"
LATER = rfc3339(START + timedelta(hours=1))
POLICY = "9" * 64
OPERATOR, REVIEW_SERVICE, STRANGER = Signer("operator"), Signer("review service"), Signer("stranger")
PARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
VERDICTS = {"A": "allow", "B": "review", "C": "deny", "D": "review", "E": "review"}
EVENT_OF = {"A": 0, "B": 0, "C": 2, "D": 2, "E": 4}
ORDINALS = {"A": 0, "B": 1, "C": 0, "D": 1, "E": 0}
BAD = 3


@dataclass(frozen=True)
class Told:
    """A proposal of the tale: what all that becomes of it has in common."""

    letter: str
    partition: int
    ordinal: int

    @property
    def name(self) -> str:
        """Its letter, with a mark on partition 1."""
        return self.letter + "'" * self.partition

    @property
    def event(self) -> dict[str, Any]:
        """Where its event stands."""
        return {"topic": EVENTS, "partition": self.partition, "offset": EVENT_OF[self.letter]}

    @property
    def event_id(self) -> str:
        """The event's id: events of producers without ids are named by their place."""
        return f"{EVENTS}/{self.partition}/{EVENT_OF[self.letter]}"

    @property
    def id(self) -> str:
        """The proposal's id."""
        return sha256_hex([APP, AGENT, self.event_id, self.ordinal])[:32]

    @property
    def trace(self) -> str:
        """Its trace id: event 0 came with one."""
        return "a" * 32 if EVENT_OF[self.letter] == 0 else hashlib.sha256(self.event_id.encode()).hexdigest()[:32]

    def arguments(self, edition: int = 0) -> dict[str, Any]:
        """Arguments, and the digest that binds them."""
        arguments = {"machine": self.name, "minutes": 10 + edition}
        return {"arguments": arguments, "arguments_digest": sha256_hex({"kind": KIND, "arguments": arguments})}

    def draft(self, topic: str, ce_type: str, ce_id: str, **value: Any) -> Draft:
        """A record about it, on its partition and in its trace."""
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": ce_id.encode(),
            "ce_type": f"rivergate.{ce_type}.v1".encode(),
            "content-type": b"application/json",
            "traceparent": f"00-{self.trace}-{'c' * 16}-01".encode(),
        }
        value = {"proposal_id": self.id, **value}
        return Draft(f"{APP}.{topic}", self.partition, b"key", value, headers)


class Tale:
    """Tells it, faults included; `world` is what comes of it. `ordinals` override the plan's."""

    def __init__(
        self,
        changes: Mapping[str, Change] | None = None,
        commits: Mapping[str, CommitChange] | None = None,
        ordinals: Mapping[str, int] | None = None,
    ) -> None:
        self.world = World(changes or {}, commits or {})
        numbers = {**ORDINALS, **(ordinals or {})}
        self.told = [Told(x, p, numbers[x]) for p in (0, 1) for x in VERDICTS]
        self._topics()
        self._control()
        for p in (0, 1):
            self._events(p)
            self._agent(p, [t for t in self.told if t.partition == p])
        self._judge()
        self._decide("B", 0, "reviewer-1")
        self._amend()
        self._decide("E", 1, "reviewer-2")
        self._settle()
        self._expire()
        for p in (0, 1):
            self._act(p)
        self._learn()

    def of(self, *letters: str) -> list[Told]:
        """These proposals on both partitions."""
        return [t for t in self.told if t.letter in letters]

    def _topics(self) -> None:
        names = "proposals reviews decisions actions denials outcomes labels dead_letters otlp_spans"
        self.world.partitions |= {f"{APP}.{n}": 2 for n in names.split()} | {EVENTS: 2}
        self.world.partitions |= {f"{APP}.{n}": 1 for n in ("control", "control_applied")}

    def _control(self) -> None:
        key = base64.b64encode(REVIEW_SERVICE.public).decode()
        records = {
            "control key": ("control.key", {"public_key": key, "role": "review_service", "by": "operator"}),
            "control policy": ("control.policy", {"policy_digest": POLICY, "source": "…", "by": "operator"}),
        }
        answers = {}
        for i, (name, (ce_type, value)) in enumerate(records.items()):
            for topic, what, signer in (("control", ce_type, OPERATOR), ("control_applied", "control_applied", None)):
                draft = self.told[0].draft(topic, what, f"{name}-{topic}")
                draft.partition, draft.signer, draft.value = 0, signer, value
                if signer:
                    draft.headers |= _outside("operator")
                    self.world.put(name, draft)
                else:
                    place = {"topic": f"{APP}.control", "partition": 0, "offset": i}
                    draft.value = {"control": place, "what": ce_type, "result": "applied"}
                    answers[f"{name} applied"] = draft
        control = f"{APP}.control"
        self.world.commit("gate", 0, "gate begins", [(control, 0, None)], answers, broadcast=[control])

    def _events(self, p: int) -> None:
        for i in range(5):
            headers = {"traceparent": PARENT} if i == 0 else {}
            self.world.put(f"event {i}", Draft(EVENTS, p, b"key", b"{" if i == BAD else b'{"x": 1}', headers))

    def _agent(self, p: int, told: list[Told]) -> None:
        mark = "'" * p
        drafts = {
            f"proposal {t.name}": t.draft(
                "proposals",
                "proposal",
                t.id,
                app=APP,
                agent=AGENT,
                kind=KIND,
                confidence=0.5,
                reasons=[],
                event_id=t.event_id,
                ordinal=t.ordinal,
                event=t.event,
                expires_at=LATER,
                **t.arguments(),
            )
            for t in told
        }
        first = {n: d for n, d in drafts.items() if d.value["event"]["offset"] == 0}
        rest = {n: d for n, d in drafts.items() if n not in first}
        origin = f"{EVENTS}/{p}/{BAD}".encode()
        letter = Draft(f"{APP}.dead_letters", p, b"key", b"{", {"rg_origin": origin, "rg_reason": b"not JSON"})
        spans = {f"span agent{mark}": span("process events", "d" * 32, told[0].id, f"agent-{AGENT}", p)}
        stage, skipped = f"agent-{AGENT}", [[EVENTS, p, BAD]]
        self.world.commit(stage, p, f"agent reads 1{mark}", [(EVENTS, p, 1)], first, spans)
        rest[f"letter{mark}"] = letter
        self.world.commit(stage, p, f"agent reads 2{mark}", [(EVENTS, p, None)], rest, skipped=skipped)

    def _judge(self) -> None:
        writes, spans = {}, {}
        for t in self.told:
            spans[f"span gate {t.name}"] = span(
                f"gate {KIND}", t.trace, t.id, "gate", 0, **{"rivergate.verdict": VERDICTS[t.letter]}
            )
            if t.letter == "A":
                writes[f"action {t.name}"] = self._action(t, "allow", 0, [])
            elif t.letter == "C":
                writes[f"denial {t.name}"] = self._denial(t)
            else:
                writes[f"opened {t.name}"] = self._revision(t, 0, "review.opened")
        self.world.commit("gate", 0, "gate judges", [(f"{APP}.proposals", p, None) for p in (0, 1)], writes, spans)

    def _revision(self, t: Told, number: int, ce_type: str) -> Draft:
        value = {"revision": number, "policy_digest": POLICY, "tier": "high", "quorum": 1}
        value |= {"kind": KIND, "rules": [], "expires_at": LATER, "event_id": t.event_id, "event": t.event}
        value |= {"because": "edited", "makers": [f"agent:{AGENT}", *(["reviewer-1"] if number else [])]}
        return t.draft("reviews", ce_type, f"{t.id}/{number}", **value, **t.arguments(number))

    def _action(self, t: Told, verdict: str, edition: int, decisions: list[str]) -> Draft:
        value: dict[str, Any] = {
            "kind": KIND,
            "policy_digest": POLICY,
            "verdict": verdict,
            "rules": [],
            "decisions": decisions,
        }
        value |= {"event_id": t.event_id, "event": t.event, "expires_at": LATER}
        return t.draft("actions", "action", t.id, **value, **t.arguments(edition))

    def _denial(self, t: Told) -> Draft:
        return t.draft("denials", "denial", t.id, policy_digest=POLICY, rules=[], reason="no", event=t.event)

    def _decide(self, letter: str, revision: int, by: str) -> None:
        for t in self.of(letter):
            value = {"decision_id": f"d-{t.id}", "revision": revision, "verdict": "approve", "by": by, "note": ""}
            value |= {"arguments_digest": t.arguments(revision)["arguments_digest"], "decided_at": LATER}
            draft = t.draft("decisions", "decision", f"d-{t.id}", **value, auth_method="token", auth_time=LATER)
            draft.headers |= _outside("review")
            draft.signer = REVIEW_SERVICE
            self.world.put(f"decision {t.name}", draft)

    def _amend(self) -> None:
        writes = {f"amended {t.name}": self._revision(t, 1, "review.amended") for t in self.of("E")}
        self.world.commit("gate", 0, "gate amends", (), writes)

    def _settle(self) -> None:
        writes: dict[str, Draft] = {}
        spans: dict[str, Draft] = {}
        for t in self.of("B", "E"):
            decision, edition = f"d-{t.id}", 1 if t.letter == "E" else 0
            judged = {"decision_id": decision, "revision": edition, "result": "counted", "reason": ""}
            writes[f"judged {t.name}"] = t.draft(
                "reviews", "review.decision_judged", f"{t.id}/judged", **judged, approvals=1, needed=1
            )
            writes[f"action {t.name}"] = self._action(t, "review", edition, [decision])
            self._end(t, "approved", [decision], writes, spans)
            about = {"event_id": t.event_id, "event": t.event, "value": True, "source": "decision"}
            writes[f"label {t.name}"] = t.draft("labels", "label", f"{t.id}/label", **about)
        self.world.commit("gate", 0, "gate settles", [(f"{APP}.decisions", p, None) for p in (0, 1)], writes, spans)

    def _end(
        self, t: Told, result: str, decisions: list[str], writes: dict[str, Draft], spans: dict[str, Draft]
    ) -> None:
        settled = t.draft("reviews", "review.settled", f"{t.id}/settled", result=result, decisions=decisions)
        writes[f"settled {t.name}"] = settled
        spans[f"span review {t.name}"] = span(f"review {KIND}", t.trace, t.id, "gate", 0)

    def _expire(self) -> None:
        writes: dict[str, Draft] = {}
        spans: dict[str, Draft] = {}
        for t in self.of("D"):
            writes[f"denial {t.name}"] = self._denial(t)
            self._end(t, "expired", [], writes, spans)
        self.world.commit("gate", 0, "gate ticks", (), writes, spans)

    def _act(self, p: int) -> None:
        mark, actions = "'" * p, f"{APP}.actions"
        told = [t for t in self.of("A", "B", "E") if t.partition == p]
        intents, ends, spans = {}, {}, {}
        for t in told:
            intents[f"intent {t.name}"] = t.draft("outcomes", "intent", f"{t.id}/1", attempt=1, not_after=LATER)
            value = {"status": "done", "detail": "", "event_id": t.event_id, "event": t.event}
            learnt = {"label": True} if t.letter == "A" else {}
            ends[f"outcome {t.name}"] = t.draft("outcomes", "outcome", f"{t.id}/done", **value, **learnt)
            spans[f"span effect {t.name}"] = span(f"effect {KIND}", t.trace, t.id, "effects", p)
        waiting = [[actions, p, 0]]
        self.world.commit("effects", p, f"effects begins{mark}", [(actions, p, None)], intents, open=waiting)
        self.world.commit("effects", p, f"effects ends{mark}", (), ends, spans)
        self.world.commit("effects", p, f"effects drains{mark}")

    def _learn(self) -> None:
        writes = {}
        for t in self.of("A"):
            about = {"event_id": t.event_id, "event": t.event, "value": True, "source": "outcome"}
            writes[f"label {t.name}"] = t.draft("labels", "label", f"{t.id}/label", **about)
        self.world.commit("gate", 0, "gate learns", [(f"{APP}.outcomes", p, None) for p in (0, 1)], writes)
        self.world.commit("gate", 0, "gate drains", snapshot={"digest": "5" * 64, "seq": 6})


def _outside(who: str) -> dict[str, bytes]:
    """Headers of what is written outside of all commits."""
    return {"ce_source": f"/rivergate/{APP}/{who}".encode(), "ce_time": rfc3339(START).encode()}
