"""Faults for the tale, and the rules that have to name each of them: no other may."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.checker import Rule
from tests.checker.line import Line
from tests.unit.checker.tale import EVENTS, KIND, STRANGER, Tale
from tests.unit.checker.world import APP, Change, CommitChange, Draft, World, sha256_hex, span


@dataclass(frozen=True)
class Fault:
    """One fault: changes of drafts and commits by name, of ordinals, or of what was written."""

    name: str
    rules: set[Rule]
    changes: Mapping[str, Change] = field(default_factory=dict)
    commits: Mapping[str, CommitChange] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    afterwards: Callable[[World], None] | None = None

    def tale(self) -> Tale:
        """The tale with this fault in it."""
        tale = Tale(self.changes, self.commits, self.ordinals)
        if self.afterwards:
            self.afterwards(tale.world)
        return tale


def says(**fields: Any) -> Change:
    """Other fields in the value."""
    return lambda d: d.value.update(fields)


def heads(**headers: bytes) -> Change:
    """Other headers."""
    return lambda d: d.headers.update(headers)


def without(header: str) -> Change:
    """A header less."""

    def change(d: Draft) -> None:
        d.headers = {k: v for k, v in d.headers.items() if k != header}

    return change


def lacks(name: str) -> Change:
    """A field less."""
    return lambda d: d.value.pop(name)


def times(copies: int) -> Change:
    """Written as often as that."""
    return lambda d: setattr(d, "copies", copies)


def holds(**attributes: Any) -> Change:
    """Another key, partition, raw value, signer."""
    return lambda d: vars(d).update(attributes)


def commit_says(**fields: Any) -> CommitChange:
    """Other fields in the commit record."""
    return lambda v: v.update(fields)


def starts(difference: int) -> CommitChange:
    """The first range begins earlier or later."""

    def change(v: dict[str, Any]) -> None:
        v["ranges"][0][2] += difference

    return change


def begins(end: int) -> CommitChange:
    """History up to this offset was past when the shard began."""
    began = {"from": "beginning", "at": "2026-01-31T11:00:00.000000Z", "past": [[EVENTS, 0, 0, end]]}
    return lambda v: v.update(began=began)


def another_denial(d: Draft) -> None:
    """C's action was denied: deny A too, which was allowed."""
    a = Tale().of("A")[0]
    d.beside.append(a.draft("denials", "denial", a.id, policy_digest=d.value["policy_digest"], rules=[], reason=""))
    d.beside[0].value |= {"event": a.event}
    d.beside[0].headers |= {k: d.headers[k] for k in ("ce_source", "ce_time")}


def another_attempt(d: Draft) -> None:
    """An intent right after the outcome."""
    later = replace(
        d, value={"proposal_id": d.value["proposal_id"], "attempt": 2, "not_after": "2026-01-31T13:00:00.000000Z"}
    )
    d.beside.append(later)
    later.headers = d.headers | {"ce_type": b"rivergate.intent.v1"}


def other_arguments(d: Draft) -> None:
    """Arguments with a digest of their own."""
    d.value["arguments"] = {"machine": "another"}
    d.value["arguments_digest"] = sha256_hex({"kind": KIND, "arguments": d.value["arguments"]})


def gate_span(trace: str = "", proposal_id: str = "", verdict: str = "deny") -> Change:
    """The span of the verdict on C, otherwise."""
    c = Tale().of("C")[0]

    def change(d: Draft) -> None:
        made = span(f"gate {KIND}", trace or c.trace, proposal_id or c.id, "gate", 0, **{"rivergate.verdict": verdict})
        if proposal_id:
            d.beside.append(made)
        else:
            d.value = made.value

    return change


def line(topic: str, partition: int, offset: int, value: Any, **headers: bytes) -> Callable[[World], None]:
    """A record of nobody's, at that offset."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda w: w.log[topic, partition].append(Line(topic, partition, offset, b"key", raw, headers))


def stray(**headers: bytes) -> dict[str, bytes]:
    """Headers of a CloudEvent from a stage."""
    common = {"ce_specversion": b"1.0", "ce_id": b"x", "ce_time": b"2026-01-31T12:00:00.000000Z"}
    source = {"ce_source": f"/rivergate/{APP}/gate".encode(), "content-type": b"application/json"}
    return {**common, **source, "traceparent": Tale().of("A")[0].draft("x", "x", "x").headers["traceparent"], **headers}


def offsets(offset: int | None = None, metadata: str | None = None) -> Callable[[World], None]:
    """Other committed offsets of the agent."""

    def change(w: World) -> None:
        found = w.committed[f"{APP}.agent-w"]
        was, note = found[EVENTS, 0]
        found[EVENTS, 0] = (was if offset is None else offset, note if metadata is None else metadata)

    return change


def nothing(w: World) -> None:
    """Every record gone."""
    w.log.clear()
    w.committed.clear()


A = Tale().of("A")[0]
LABEL_A = f"{A.id}/label".encode()
R = Rule
FAULTS = [
    Fault("no content type", {R.HEADERS_MISSING}, {"action A": without("content-type")}),
    Fault("a letter without reason", {R.HEADERS_MISSING}, {"letter": without("rg_reason")}),
    Fault("a label of broken JSON", {R.UNREADABLE}, {"label A": holds(value=b"{")}),
    Fault("a denial without rules", {R.UNREADABLE}, {"denial C": lacks("rules")}),
    Fault("a label of no known source", {R.UNREADABLE}, {"label A": says(source="rumour")}),
    Fault("a status of no meaning", {R.UNREADABLE, R.UNSETTLED}, {"outcome B": says(status="perhaps")}),
    Fault("a span of noise", {R.UNREADABLE}, {"span agent": holds(value=b"\xff\xff")}),
    Fault("noise in a journal", {R.UNREADABLE}, afterwards=line(f"{APP}.journal.gate", 0, 99, b"?")),
    Fault(
        "a commit that is spelt wrongly",
        {R.UNREADABLE, R.LETTER_OF_NOTHING},
        afterwards=line(f"{APP}.dead_letters", 0, 99, b"", rg_commit=b"gate/0", rg_origin=b"", rg_reason=b"x"),
    ),
    Fault(
        "a label that says it is something else",
        {R.WRONG_TYPE},
        {"label A": heads(ce_type=b"rivergate.control_applied.v1")},
    ),
    Fault("somebody else's source", {R.WRONG_SOURCE}, {"denial C": heads(ce_source=b"/rivergate/tiny/agent-w")}),
    Fault("a time in words", {R.WRONG_TIME}, {"action A": says(expires_at="tomorrow")}),
    Fault("another clock", {R.WRONG_TIME}, {"action A": heads(ce_time=b"2026-01-31T12:00:00.999999Z")}),
    Fault("a clock in words", {R.WRONG_TIME, R.CLOCK_BACK}, commits={"effects drains": commit_says(clock="")}),
    Fault("three partitions", {R.PARTITION_COUNT}, afterwards=lambda w: w.partitions.update({f"{APP}.labels": 3})),
    Fault(
        "two partitions of control",
        {R.PARTITION_COUNT},
        afterwards=lambda w: w.partitions.update({f"{APP}.control": 2}),
    ),
    Fault("an input of three partitions", {R.PARTITION_COUNT}, afterwards=lambda w: w.partitions.update({EVENTS: 3})),
    Fault("another key", {R.ELSEWHERE}, {"denial C": holds(key=b"other")}),
    Fault(
        "another trace",
        {R.OTHER_TRACE},
        {"denial C": heads(traceparent=b"00-" + b"e" * 32 + b"-" + b"f" * 16 + b"-01")},
    ),
    Fault("a verdict's span in another trace", {R.OTHER_TRACE}, {"span gate C": gate_span(trace="e" * 32)}),
    Fault("nothing at all", {R.NOTHING_THERE}, afterwards=nothing),
    Fault("another ce_id", {R.WRONG_ID}, {"denial C": heads(ce_id=b"other")}),
    Fault("another app's proposal", {R.WRONG_ID}, {"proposal C": says(app="other")}),
    Fault("another digest", {R.WRONG_ARGUMENTS_DIGEST}, {"proposal C": says(arguments_digest="0" * 64)}),
    Fault(
        "another event",
        {R.WRONG_EVENT, R.OTHER_TRACE},
        {"proposal C": says(event={"topic": EVENTS, "partition": 0, "offset": 1})},
    ),
    Fault(
        "an event that isn't there",
        {R.WRONG_EVENT, R.FROM_NOWHERE},
        {"proposal C": says(event={"topic": EVENTS, "partition": 0, "offset": 77})},
    ),
    Fault("an ordinal left out", {R.ORDINAL_GAP}, ordinals={"D": 2}),
    Fault("a proposal without end", {R.NO_END, R.SPAN_OF_NOTHING}, {"denial C": times(0)}),
    Fault("allowed and denied", {R.SEVERAL_ENDS}, {"denial C": another_denial}),
    Fault("denied twice", {R.DOUBLED}, {"denial C": times(2)}),
    Fault("proposed twice by a stage", {R.DOUBLED}, {"proposal C": times(2)}),
    Fault("done twice", {R.DOUBLED}, {"outcome A": times(2)}),
    Fault("traced twice", {R.DOUBLED}, {"span gate C": times(2)}),
    Fault("answered twice", {R.DOUBLED}, {"control key applied": times(2)}),
    Fault("a review of nothing", {R.FROM_NOWHERE}, {"proposal D": times(0)}),
    Fault("a settlement of nothing", {R.FROM_NOWHERE, R.OTHER_VERDICT}, {"opened D": times(0)}),
    Fault("an outcome of nothing", {R.FROM_NOWHERE, R.NO_END, R.SPAN_OF_NOTHING}, {"action A": times(0)}),
    Fault("a revision left out", {R.REVISION_GAP, R.OTHER_REVISION}, {"amended E": says(revision=2)}),
    Fault("expired, and called approved", {R.END_DISAGREES}, {"settled D": says(result="approved")}),
    Fault("a decision with a stranger's key", {R.UNSIGNED}, {"decision B": holds(signer=STRANGER)}),
    Fault("a policy with a stranger's key", {R.UNSIGNED}, {"control policy": holds(signer=STRANGER)}),
    Fault("refused, and acted upon", {R.UNAPPROVED, R.NO_QUORUM}, {"judged B": says(result="refused")}),
    Fault("no, taken for yes", {R.UNAPPROVED, R.NO_QUORUM}, {"decision B": says(verdict="deny")}),
    Fault("approved before the edit", {R.OTHER_REVISION}, {"decision E": says(revision=0)}),
    Fault("two of one", {R.NO_QUORUM}, {"opened B": says(quorum=2)}),
    Fault("approved by the editor", {R.MAKER_IS_CHECKER, R.NO_QUORUM}, {"decision E": says(by="reviewer-1")}),
    Fault("other arguments", {R.OTHER_ARGUMENTS}, {"action A": other_arguments}),
    Fault("reviewed by nobody", {R.PAST_REVIEW, R.OTHER_VERDICT}, {"action A": says(verdict="review")}),
    Fault("a policy of nobody's", {R.UNKNOWN_POLICY}, {"action A": says(policy_digest="8" * 64)}),
    Fault("done without intent", {R.WITHOUT_INTENT}, {"intent A": times(0)}),
    Fault("an attempt after the end", {R.AFTER_FINAL}, {"outcome A": another_attempt}),
    Fault("failed, without effect", {R.NO_EFFECT_NAMED}, {"outcome A": says(status="failed")}),
    Fault("another shard's record", {R.WRONG_SHARD}, commits={"effects drains": commit_says(shard=1)}),
    Fault("a number left out", {R.JOURNAL_GAP}, commits={"gate ticks": lambda v: v.update(seq=v["seq"] + 1)}),
    Fault("another predecessor", {R.CHAIN_BROKEN}, commits={"gate ticks": commit_says(previous="1" * 64)}),
    Fault(
        "yesterday's clock", {R.CLOCK_BACK}, commits={"gate drains": commit_says(clock="2026-01-30T12:00:00.000000Z")}
    ),
    Fault(
        "tomorrow's clock", {R.CLOCK_AHEAD}, commits={"gate drains": commit_says(clock="2026-02-01T12:00:00.000000Z")}
    ),
    Fault("a lower epoch", {R.EPOCH_BACK}, commits={"gate drains": commit_says(epoch=2)}),
    Fault(
        "a snapshot to come",
        {R.SNAPSHOT_AHEAD},
        commits={"gate drains": commit_says(snapshot={"digest": "", "seq": 99})},
    ),
    Fault("read again", {R.READ_TWICE}, commits={"agent reads 2": starts(-1)}),
    Fault(
        "speaks, though muted",
        {R.SPOKE_MUTED, R.MUTED_WRONGLY},
        commits={"agent reads 2": commit_says(muted={"outputs": {}, "digest": ""})},
    ),
    Fault("not muted, though behind", {R.MUTED_WRONGLY}, commits={"agent reads 1": begins(99)}),
    Fault("beyond the past", {R.MUTED_WRONGLY}, commits={"agent reads 1": begins(0)}),
    Fault("passed over", {R.UNREAD}, commits={"agent reads 2": starts(1)}),
    Fault(
        "two readers",
        {R.TWO_READERS, R.UNSETTLED},
        commits={"effects drains'": commit_says(ranges=[[f"{APP}.actions", 0, 0, 0]])},
    ),
    Fault(
        "open, but unread", {R.OPEN_UNREAD}, commits={"effects begins": commit_says(open=[[f"{APP}.actions", 0, 99]])}
    ),
    Fault("an output lost", {R.TORN_COMMIT}, afterwards=lambda w: w.drop(lambda x: x.headers.get("ce_id") == LABEL_A)),
    Fault(
        "an output changed",
        {R.WRONG_DIGEST},
        afterwards=lambda w: w.alter(
            lambda x: x.headers.get("ce_id") == LABEL_A,
            json.dumps(
                {"proposal_id": A.id, "event_id": A.event_id, "event": A.event, "value": 0, "source": "outcome"}
            ).encode(),
        ),
    ),
    Fault(
        "a span lost", {R.TORN_SPANS}, afterwards=lambda w: w.drop(lambda x: x.header("rg_commit") == "agent-w/0/0/s0")
    ),
    Fault(
        "left of an aborted commit",
        {R.OF_NO_COMMIT},
        afterwards=line(
            f"{APP}.labels",
            0,
            99,
            {"event_id": A.event_id, "event": A.event, "value": 1, "source": "topic"},
            **stray(rg_commit=b"gate/0/77/0", ce_type=b"rivergate.label.v1"),
        ),
    ),
    Fault(
        "an intent of no stage",
        {R.OF_NO_STAGE},
        afterwards=line(
            f"{APP}.outcomes",
            0,
            3,
            {"proposal_id": A.id, "attempt": 1, "not_after": "2026-01-31T13:00:00.000000Z"},
            **stray(ce_type=b"rivergate.intent.v1"),
        ),
    ),
    Fault("an offset behind", {R.OFFSET_DIFFERS}, afterwards=offsets(offset=2)),
    Fault("an offset of another commit", {R.OFFSET_DIFFERS}, afterwards=offsets(metadata='{"seq": 0, "digest": ""}')),
    Fault("an offset without metadata", {R.NO_METADATA}, afterwards=offsets(metadata="")),
    Fault("skipped silently", {R.NO_LETTER}, {"letter": times(0)}),
    Fault("a letter of what wasn't skipped", {R.LETTER_OF_NOTHING}, commits={"agent reads 2": commit_says(skipped=[])}),
    Fault("a letter rewritten", {R.LETTER_DIFFERS}, {"letter": holds(value=b"}")}),
    Fault("a label elsewhere", {R.LABEL_ELSEWHERE}, {"label A": holds(partition=1)}),
    Fault("a label of no outcome", {R.LABEL_OF_NOTHING}, {"outcome A": lacks("label")}),
    Fault("a label of what expired", {R.LABEL_OF_NOTHING}, {"label B": says(proposal_id=Tale().of("D")[0].id)}),
    Fault("a verdict without span", {R.NO_SPAN}, {"span gate C": times(0)}),
    Fault("a review without span", {R.NO_SPAN}, {"span review B": times(0)}),
    Fault("an effect without span", {R.NO_SPAN}, {"span effect A": times(0)}),
    Fault("a span of nothing", {R.SPAN_OF_NOTHING}, {"span gate C": gate_span(proposal_id="f" * 32)}),
    Fault("another verdict", {R.OTHER_VERDICT}, {"span gate C": gate_span(verdict="allow")}),
    Fault("an event unread", {R.UNSETTLED}, afterwards=line(EVENTS, 0, 99, b"{}")),
    Fault("still open", {R.UNSETTLED}, commits={"effects drains": commit_says(open=[[f"{APP}.actions", 0, 0]])}),
    Fault("an action without outcome", {R.UNSETTLED}, {"outcome B": times(0)}),
    Fault("a policy without answer", {R.UNSETTLED, R.UNKNOWN_POLICY}, {"control policy applied": times(0)}),
    Fault("a decision without answer", {R.UNSETTLED, R.UNAPPROVED, R.NO_QUORUM}, {"judged B": times(0)}),
    Fault("a review still open", {R.UNSETTLED}, {"settled D": times(0), "denial D": times(0)}),
]
