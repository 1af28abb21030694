"""Spans: every verdict, settled review and outcome left one, in its proposal's trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule


@dataclass(frozen=True)
class Seen:
    """A span that names a proposal: where it stands, its trace, and the verdict if it is the gate's."""

    where: str
    trace: str
    verdict: str


def verdicts(e: Evidence) -> Iterator[Finding]:
    """One span of the gate for each proposal that it judged, with the verdict that the records show."""
    seen, problems = _by_kind(e)
    yield from problems
    s = e.story
    judged = s.actions.keys() | s.denials.keys() | s.opened.keys()
    for proposal_id in judged:
        found = seen["gate", proposal_id]
        proposal = s.proposals.get(proposal_id)
        action = s.actions.get(proposal_id)
        wanted = "review" if proposal_id in s.opened else action.get("verdict") if action else "deny"
        if not found:
            yield Finding(Rule.NO_SPAN, f"verdict on {proposal_id}")
        if len(found) > 1:
            yield Finding(Rule.DOUBLED, f"verdict spans of {proposal_id}: {found[0].where} and {found[1].where}")
        for span in found:
            if span.verdict != wanted:
                yield Finding(Rule.OTHER_VERDICT, f"{span.where}: {span.verdict!r} of {proposal_id}, {wanted}")
            if proposal is not None and span.trace != proposal.trace:
                yield Finding(Rule.OTHER_TRACE, f"{span.where}: verdict on {proposal_id} in {span.trace}")
    for (kind, proposal_id), found in seen.items():
        if kind == "gate" and proposal_id not in judged:
            yield Finding(Rule.SPAN_OF_NOTHING, f"{found[0].where}: {proposal_id}")


def reviews_and_effects(e: Evidence) -> Iterator[Finding]:
    """A span for each settled review and for each action that came to an end, in the proposal's trace."""
    seen, _ = _by_kind(e)
    by_people = {i for i, x in e.story.final.items() if x.commit.startswith("gate/")}
    for kind, wanted in (("review", e.story.settled.keys()), ("effect", e.story.final.keys() - by_people)):
        for proposal_id in wanted:
            proposal = e.story.proposals.get(proposal_id)
            found = seen[kind, proposal_id]
            if not found:
                yield Finding(Rule.NO_SPAN, f"{kind} of {proposal_id}")
            for span in found:
                if proposal is not None and span.trace != proposal.trace:
                    yield Finding(Rule.OTHER_TRACE, f"{span.where}: {kind} of {proposal_id} in {span.trace}")


def _by_kind(e: Evidence) -> tuple[dict[tuple[str, str], list[Seen]], list[Finding]]:
    """Spans by the first word of their name and the proposal that they name."""
    found: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    problems = []
    for line in e.of("otlp_spans"):
        try:
            data = TracesData.FromString(line.value)
        except DecodeError:
            problems.append(Finding(Rule.UNREADABLE, f"{line.where}: not OTLP TracesData"))
            continue
        for span in (x for r in data.resource_spans for scope in r.scope_spans for x in scope.spans):
            said = {a.key: a.value.string_value for a in span.attributes}
            if "rivergate.proposal.id" in said:
                seen = Seen(line.where, span.trace_id.hex(), said.get("rivergate.verdict", ""))
                found[span.name.partition(" ")[0], said["rivergate.proposal.id"]].append(seen)
    return found, problems
