"""From the records of a proposal to its `Explanation`: a pure function, no log and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from rivergate.audit.explanation import (
    ActionPart,
    AgentPart,
    AmendmentPart,
    DecisionPart,
    DenialPart,
    EffectPart,
    EventPart,
    Explanation,
    LabelPart,
    ModelPart,
    ReasonPart,
    ReviewPart,
    RulePart,
    VerdictPart,
)
from rivergate.audit.findings import findings_of
from rivergate.audit.ports import AuditReader, FetchRecord
from rivergate.audit.stored import StoredRecord, StoredSpan
from rivergate.audit.timeline import timeline_of
from rivergate.domain import names
from rivergate.domain.errors import RivergateError
from rivergate.domain.ids import parse_traceparent, trace_id_of_commit
from rivergate.domain.record import Record

_NO_RECORDS: Sequence[StoredRecord] = ()


class _Told:
    """The records of one proposal by type, dead letters apart; the first of a kind binds."""

    def __init__(self, records: Sequence[StoredRecord]) -> None:
        self.by_type: dict[str, list[StoredRecord]] = {}
        self.letters = [r for r in records if r.set_aside]
        for r in records:
            if not r.set_aside:
                self.by_type.setdefault(r.ce_type, []).append(r)

    def all(self, ce_type: str) -> Sequence[StoredRecord]:
        """Every record of that type, in order."""
        return self.by_type.get(ce_type, _NO_RECORDS)

    def first(self, ce_type: str) -> StoredRecord | None:
        """The one that binds."""
        found = self.all(ce_type)
        return found[0] if found else None


def evidence(reader: AuditReader, proposal_id: str) -> Sequence[StoredRecord]:
    """The records of a proposal, and the labels of its event that name no proposal, in order of time."""
    records = reader.records_of(proposal_id)
    event_id = _event_id(records)
    about = reader.records_about(event_id) if event_id else _NO_RECORDS
    labels = [r for r in about if r.ce_type == names.LABEL_V1 and not r.proposal_id and not r.set_aside]
    return sorted([*records, *labels], key=lambda r: r.ce_time)


def beginning(reader: AuditReader, records: Sequence[StoredRecord]) -> StoredSpan | None:
    """The span of the first commit of the shard that made the proposal, where it says how that began."""
    proposal = _Told(records).first(names.PROPOSAL_V1)
    commit = dict(proposal.headers).get("rg_commit", b"").decode(errors="replace") if proposal else ""
    stage, _, rest = commit.partition("/")
    shard = rest.partition("/")[0]
    if proposal is None or not shard.isdecimal():
        return None
    app = proposal.position.topic.rpartition(".")[0]
    spans = reader.trace(trace_id_of_commit(app, stage, int(shard), 0))
    return next((s for s in spans if s.name == f"begin {stage}"), None)


def explain(
    proposal_id: str,
    records: Sequence[StoredRecord],
    fetch: FetchRecord | None = None,
    begun: StoredSpan | None = None,
) -> Explanation:
    """What the records (of `evidence`) say. `fetch` reads the event's own record, if the log is at hand; `begun` is the
    agent's `beginning`.
    """
    told = _Told(records)
    basis = _basis(told)
    parents = (parse_traceparent(r.traceparent.encode()) for r in records)
    verdict, review, action, denial = _verdict(told), _review(told), _action(told), _denial(told)
    effects = _effects(told)
    return Explanation(
        proposal_id=proposal_id,
        trace_id=next((p[0] for p in parents if p), ""),
        app=str(basis.get("app") or (records[0].position.topic.rpartition(".")[0] if records else "")),
        kind=str(basis.get("kind", "")),
        arguments=_mapping(basis.get("arguments")),
        arguments_digest=str(basis.get("arguments_digest", "")),
        state=_state(told, effects),
        event=_event(records, fetch),
        agent=_agent(told, begun),
        verdict=verdict,
        review=review,
        action=action,
        denial=denial,
        withdrawn=_withdrawn(told),
        effects=effects,
        labels=tuple(
            LabelPart(at=r.ce_time, value=r.value.get("value"), source=str(r.value.get("source", "")))
            for r in told.all(names.LABEL_V1)
        ),
        timeline=timeline_of(records),
        findings=findings_of(records),
    )


def _basis(told: _Told) -> Mapping[str, Any]:
    """What was wanted: the proposal says so, or where retention took it, what came of it."""
    for ce_type in (names.PROPOSAL_V1, names.REVIEW_OPENED_V1, names.ACTION_V1, names.DENIAL_V1):
        found = told.first(ce_type)
        if found is not None:
            return found.value
    return {}


def _state(told: _Told, effects: Sequence[EffectPart]) -> str:
    if effects:
        last = effects[-1].status
        return "acting" if last == "intent" else last
    if told.first(names.ACTION_V1):
        return "allowed"
    if told.first(names.DENIAL_V1):
        settled = told.first(names.REVIEW_SETTLED_V1)
        return "expired" if settled is not None and settled.value.get("result") == "expired" else "denied"
    return "waiting" if told.first(names.REVIEW_OPENED_V1) else "proposed"


def _event(records: Sequence[StoredRecord], fetch: FetchRecord | None) -> EventPart:
    found = next((r for r in records if r.value.get("event") and not r.set_aside), None)
    if found is None:
        return EventPart(id="", place="", note="no record says which event it was")
    place = _mapping(found.value.get("event"))
    topic, partition, offset = str(place.get("topic", "")), place.get("partition"), place.get("offset")
    event_id = _event_id(records)
    where = f"{topic}/{partition}/{offset}"
    if not isinstance(partition, int) or not isinstance(offset, int):
        return EventPart(id=event_id, place=where, note="its position can't be read")
    if fetch is None:
        return EventPart(id=event_id, place=where, note="its own fields are on the log: name a broker with --bootstrap")
    try:
        record = fetch(topic, partition, offset)
    except RivergateError as e:
        return EventPart(id=event_id, place=where, note=f"its own fields couldn't be read: {e.what}")
    if record is None:
        return EventPart(id=event_id, place=where, note="retention has removed its record from the log")
    if event_id and not _is_named(record, event_id):
        return EventPart(id=event_id, place=where, note="another record stands there now")
    at = (record.header("ce_time") or b"").decode(errors="replace")
    try:
        fields = orjson.loads(record.value or b"")
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return EventPart(id=event_id, place=where, at=at, note="its value isn't a JSON object")
    return EventPart(id=event_id, place=where, at=at, fields=fields)


def _is_named(record: Record, event_id: str) -> bool:
    """Whether the id is the record's, or that of a timer set at it; one set at a label is named after the label's event."""
    if event_id == record.event_id:
        return True
    about = (record.event_id, (record.json_object or {}).get("event_id"))
    return any(event_id.startswith(f"{a}!timer/") for a in about)


def _event_id(records: Sequence[StoredRecord]) -> str:
    """The event's; a dead letter has that of the record that was set aside."""
    return next((r.event_id for r in records if r.event_id and not r.set_aside), "")


def _agent(told: _Told, begun: StoredSpan | None) -> AgentPart | None:
    proposal = told.first(names.PROPOSAL_V1)
    if proposal is None:
        return None
    v = proposal.value
    confidence, reasons = v.get("confidence"), v.get("reasons")
    return AgentPart(
        name=str(v.get("agent", "")),
        at=proposal.ce_time,
        confidence=float(confidence) if isinstance(confidence, int | float) else None,
        reasons=tuple(map(_reason, reasons if isinstance(reasons, list) else ())),
        expires_at=str(v.get("expires_at", "")),
        on_behalf_of=str(v.get("on_behalf_of") or ""),
        model=_model(begun),
    )


def _model(begun: StoredSpan | None) -> ModelPart | None:
    said = {} if begun is None else begun.attributes
    if "rivergate.model.digest" not in said:
        return None
    digest, who, why = (str(said.get(f"rivergate.model.{x}", "")) for x in ("digest", "vouched_by", "reason"))
    return ModelPart(digest=digest, who=who, why=why)


def _reason(given: Any) -> ReasonPart:
    if not isinstance(given, Mapping):
        return ReasonPart(text=str(given))
    contribution = given.get("contribution")
    return ReasonPart(
        text=str(given.get("text") or ""),
        feature=str(given.get("feature") or ""),
        value=given.get("value"),
        contribution=float(contribution) if isinstance(contribution, int | float) else None,
    )


def _rules(value: Mapping[str, Any]) -> tuple[RulePart, ...]:
    return tuple(
        RulePart(
            id=str(r.get("id", "")),
            verdict=str(r.get("verdict", "")),
            because=str(r.get("because") or ""),
            values=_mapping(r.get("values")),
        )
        if isinstance(r, Mapping)
        else RulePart(id=str(r), verdict="")
        for r in value.get("rules") or ()
    )


def _verdict(told: _Told) -> VerdictPart | None:
    """The gate's first word: a review's opening, else the action or the denial itself."""
    for ce_type, verdict in ((names.REVIEW_OPENED_V1, "review"), (names.ACTION_V1, ""), (names.DENIAL_V1, "deny")):
        found = told.first(ce_type)
        if found is not None:
            v = found.value
            return VerdictPart(
                verdict=verdict or str(v.get("verdict", "allow")),
                at=found.ce_time,
                policy_digest=str(v.get("policy_digest", "")),
                rules=_rules(v),
                reason=str(v.get("reason") or ""),
            )
    return None


def _review(told: _Told) -> ReviewPart | None:
    opened = told.first(names.REVIEW_OPENED_V1)
    if opened is None:
        return None
    settled = told.first(names.REVIEW_SETTLED_V1)
    given: dict[str, StoredRecord] = {}  # one that was redriven stands twice
    for r in told.all(names.DECISION_V1):
        given.setdefault(str(r.value.get("decision_id")), r)
    answers = _answers(told)
    end: Mapping[str, Any] = settled.value if settled else {}
    return ReviewPart(
        opened_at=opened.ce_time,
        expires_at=str(opened.value.get("expires_at", "")),
        tier=str(opened.value.get("tier", "")),
        quorum=int(opened.value.get("quorum") or 1),
        decisions=tuple(_decision(r, answers) for r in given.values()),
        amendments=tuple(
            AmendmentPart(
                revision=int(r.value.get("revision") or 0),
                because=str(r.value.get("because", "")),
                by=str(r.value.get("by") or ""),
                at=r.ce_time,
            )
            for r in told.all(names.REVIEW_AMENDED_V1)
        ),
        result=str(end.get("result", "")),
        reason=str(end.get("reason") or ""),
        settled_at=settled.ce_time if settled else "",
    )


def _answers(told: _Told) -> dict[str, Mapping[str, Any]]:
    """What the gate said of each decision, by its id; one that it set aside it may have answered when it was redriven."""
    aside = {
        str(r.value.get("decision_id")): {"result": "set aside", "reason": r.fault}
        for r in told.letters
        if r.ce_type == names.DECISION_V1
    }
    return aside | {str(r.value.get("decision_id")): r.value for r in told.all(names.DECISION_JUDGED_V1)}


def _decision(record: StoredRecord, answers: Mapping[str, Mapping[str, Any]]) -> DecisionPart:
    v = record.value
    answer = answers.get(str(v.get("decision_id")), {})
    return DecisionPart(
        id=str(v.get("decision_id", "")),
        by=str(v.get("by", "")),
        verdict=str(v.get("verdict", "")),
        note=str(v.get("note") or ""),
        at=str(v.get("decided_at") or record.ce_time),
        answer=str(answer.get("result", "")),
        answer_reason=str(answer.get("reason") or ""),
        approvals=answer.get("approvals"),
        needed=answer.get("needed"),
    )


def _action(told: _Told) -> ActionPart | None:
    found = told.first(names.ACTION_V1)
    if found is None:
        return None
    v = found.value
    wanted = told.first(names.PROPOSAL_V1)
    return ActionPart(
        at=found.ce_time,
        arguments=_mapping(v.get("arguments")),
        digest=str(v.get("arguments_digest", "")),
        policy_digest=str(v.get("policy_digest", "")),
        verdict=str(v.get("verdict", "")),
        modified=wanted is not None and wanted.value.get("arguments_digest") != v.get("arguments_digest"),
    )


def _denial(told: _Told) -> DenialPart | None:
    found = told.first(names.DENIAL_V1)
    if found is None:
        return None
    v = found.value
    return DenialPart(
        at=found.ce_time,
        reason=str(v.get("reason") or ""),
        policy_digest=str(v.get("policy_digest", "")),
        rules=_rules(v),
    )


def _withdrawn(told: _Told) -> str:
    found = told.first(names.WITHDRAWAL_V1)
    return "" if found is None else str(found.value.get("reason") or "no reason given")


def _effects(told: _Told) -> tuple[EffectPart, ...]:
    """Intents and outcomes in the order they were written."""
    records = [*told.all(names.INTENT_V1), *told.all(names.OUTCOME_V1)]
    records.sort(key=lambda r: (r.ce_time, r.ce_type == names.OUTCOME_V1, r.position.offset))
    parts = []
    for r in records:
        attempt = r.value.get("attempt")
        parts.append(
            EffectPart(
                at=r.ce_time,
                status="intent" if r.ce_type == names.INTENT_V1 else str(r.value.get("status", "")),
                attempt=attempt if isinstance(attempt, int) else None,
                detail=r.value.get("detail"),
                effect=str(r.value.get("effect") or ""),
            )
        )
    return tuple(parts)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
