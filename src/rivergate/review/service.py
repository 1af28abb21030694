"""`ReviewService`: what reviewers may do. Alone it holds the review service's key."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.ids import span_id_of, traceparent
from rivergate.domain.record import Headers, Output
from rivergate.domain.signing import SigningKey
from rivergate.ports import Clock, Writer
from rivergate.review import rules
from rivergate.review.case import Case
from rivergate.review.errors import DecisionConflict, DecisionMalformed, IdAmbiguous, ReviewNotFound
from rivergate.review.ports import Query, ReviewStore
from rivergate.review.reading import detail_of, item_of, trace_id
from rivergate.review.view import ReviewDetail, ReviewItem

SENT_KEPT = 10_000
"""Receipts that are kept to answer a repeated form with what was sent first."""

_WHOLE_ID = 32
_DECISION_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who decides, how and when they proved it, and which roles the service vouches for."""

    name: str
    auth_method: str
    auth_time: Micros
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record is durable on the log; the gate answers it there."""

    id: str
    partition: int
    offset: int


class ReviewService:
    """Answers from the view, writes to the log. Any thread may call it; writes are made one after the other."""

    def __init__(self, app: str, store: ReviewStore, writer: Writer, key: SigningKey, clock: Clock) -> None:
        self.app = app
        self.store = store
        self.clock = clock
        self._writer = writer
        self._key = key
        self._sent: OrderedDict[str, tuple[tuple[str, ...], Receipt]] = OrderedDict()
        self._writing = threading.Lock()

    # --- reading -----------------------------------------------------------------------------------------------

    def items(self, query: Query) -> Sequence[ReviewItem]:
        """The lines of the queue that are asked for."""
        now = self.clock()
        return [item_of(c, now) for c in self.store.cases(query)]

    def detail(self, proposal_id: str) -> ReviewDetail:
        """One review or unresolved action, by its id or a unique beginning of it. Raises `ReviewNotFound`."""
        return detail_of(self._case(proposal_id), self.clock())

    # --- writing -----------------------------------------------------------------------------------------------

    def decide(
        self,
        proposal_id: str,
        verdict: str,
        decision_id: str,
        by: Reviewer,
        *,
        note: str,
        seen_digest: str,
        seen_revision: int,
    ) -> Receipt:
        """Write a signed decision and wait until it is durable; the gate judges it.

        The same `decision_id` again is the same decision: it is written once and answered with the first
        receipt. Raises a `ReviewError` where the gate would refuse it anyway, `BrokerUnavailable`.
        """
        verdict = rules.known_verdict(verdict)
        note = rules.short_note(note)
        _check_id(decision_id)
        case = self._case(proposal_id)
        content = (case.proposal_id, verdict, seen_digest, str(seen_revision), by.name)
        with self._writing:
            repeated = self._repeated(case, decision_id, content)
            if repeated is not None:
                return repeated
            now = self.clock()
            current = rules.open_revision(case, now)
            rules.same_as_seen(current, seen_digest, seen_revision)
            if verdict == "approve":
                rules.not_the_maker(current, by.name)
            rules.role_held(current, by.roles)
            value = {
                "decision_id": decision_id,
                "proposal_id": case.proposal_id,
                "revision": seen_revision,
                "verdict": verdict,
                "arguments_digest": seen_digest,
                "by": by.name,
                "note": note,
                "decided_at": rfc3339(now),
                "auth_method": by.auth_method,
                "auth_time": rfc3339(by.auth_time),
                "roles": list(by.roles),
            }
            return self._write(case, names.DECISION_V1, decision_id, value, content, now)

    def resolve(self, proposal_id: str, status: str, resolution_id: str, by: Reviewer, *, note: str) -> Receipt:
        """Write a signed resolution of an action whose outcome is unknown. Raises as `decide` does."""
        status = rules.known_status(status)
        note = rules.short_note(note)
        _check_id(resolution_id)
        case = self._case(proposal_id)
        content = (case.proposal_id, status, by.name)
        with self._writing:
            repeated = self._repeated(case, resolution_id, content)
            if repeated is not None:
                return repeated
            rules.outcome_unknown(case)
            now = self.clock()
            value = {
                "resolution_id": resolution_id,
                "proposal_id": case.proposal_id,
                "status": status,
                "by": by.name,
                "note": note,
                "resolved_at": rfc3339(now),
                "auth_method": by.auth_method,
                "auth_time": rfc3339(by.auth_time),
            }
            return self._write(case, names.RESOLUTION_V1, resolution_id, value, content, now)

    # --- inside --------------------------------------------------------------------------------------------------

    def _case(self, proposal_id: str) -> Case:
        given = proposal_id.strip().lower()
        found = self.store.case(given) if len(given) == _WHOLE_ID else None
        if found is not None and found.shown:
            return found
        if not given:
            raise ReviewNotFound("no id was given", remedy="`rivergate review list` shows the ids")
        near = tuple(self.store.ids(given, 6))
        if len(near) == 1:
            only = self.store.case(near[0])
            if only is not None:
                return only
        if near:
            raise IdAmbiguous(
                f"several ids begin with {given}", near=near, remedy=f"give more of it: {', '.join(near)}"
            )
        alike = tuple(self.store.ids(given[:3], 6))
        raise ReviewNotFound(
            f"no review or unresolved action has the id {given}",
            near=alike,
            remedy=f"did you mean {' or '.join(alike)}?"
            if alike
            else "`rivergate review list --state all` shows the ids",
        )

    def _repeated(self, case: Case, record_id: str, content: tuple[str, ...]) -> Receipt | None:
        there = self._sent.get(record_id)
        fact = case.get(f"decision/{record_id}")
        if there is None and fact is not None:
            v = fact.value
            was = (v["proposal_id"], v["verdict"], v["arguments_digest"], str(v["revision"]), v["by"])
            there = was, Receipt(record_id, fact.partition, fact.offset)
        resolution = case.get(f"resolution/{record_id}")
        if there is None and resolution is not None:
            v = resolution.value
            there = (
                (v["proposal_id"], v["status"], v["by"]),
                Receipt(record_id, resolution.partition, resolution.offset),
            )
        if there is None:
            return None
        if there[0] != content:
            raise DecisionConflict(
                "this form was sent already, with another decision: the first one stands",
                remedy="open the review again to decide anew",
            )
        return there[1]

    def _write(
        self, case: Case, ce_type: str, record_id: str, value: dict[str, Any], content: tuple[str, ...], now: Micros
    ) -> Receipt:
        cause = case.first("opened", "action", "proposal")
        if cause is None:
            raise ReviewNotFound(f"nothing is known of {case.proposal_id} yet", remedy="try again in a moment")
        trace = traceparent(trace_id(case), span_id_of("review", record_id))
        record = Output(
            topic=names.topic(self.app, names.DECISIONS),
            partition=cause.value["event"]["partition"],
            key=cause.key_bytes,
            value=orjson.dumps(self._key.sign(value)),
            ce_id=record_id.encode(),
            ce_type=ce_type.encode(),
            traceparent=trace,
        )
        headers: Headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", record.ce_id),
            ("ce_source", names.source(self.app, names.REVIEW).encode()),
            ("ce_type", record.ce_type),
            ("ce_time", rfc3339(now).encode()),
            ("content-type", b"application/json"),
            ("traceparent", trace),
        ]
        receipt = Receipt(record_id, *self._writer.send(record, headers))
        self._sent[record_id] = content, receipt
        while len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        return receipt


def _check_id(record_id: str) -> None:
    if not _DECISION_ID.fullmatch(record_id):
        raise DecisionMalformed(
            f"{record_id[:70]!r} can't be a decision's id", remedy="use 8 to 64 letters, digits, dots, - and _"
        )
