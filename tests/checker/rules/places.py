"""What derives from a record lies on its partition, under its key, in its trace."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line


def derived_records(e: Evidence) -> Iterator[Finding]:
    """From event to proposal, and from the proposal to all that becomes of it."""
    for line, cause in _with_causes(e):
        if (line.partition, line.key) != (cause.partition, cause.key):
            yield Finding(Rule.ELSEWHERE, f"{line.where} ({line.key!r}) comes from {cause.where} ({cause.key!r})")
        if line.trace != (cause.trace or hashlib.sha256(cause.event_id.encode()).hexdigest()[:32]):
            yield Finding(Rule.OTHER_TRACE, f"{line.where} is in {line.trace}, its cause {cause.where} is not")


def _with_causes(e: Evidence) -> Iterator[tuple[Line, Line]]:
    s = e.story
    for proposal in s.proposals.values():
        place = proposal.get("event") or {}
        event = e.by_place.get(f"{place.get('topic')}/{place.get('partition')}/{place.get('offset')}")
        if event is not None:
            yield proposal, event
    several = [x for lines in (s.amended, s.intents, s.outcomes) for xs in lines.values() for x in xs]
    single = [x for lines in (s.actions, s.denials, s.opened, s.settled, s.judged) for x in lines.values()]
    for line in [*single, *several, *s.decisions.values()]:
        cause = s.proposals.get(str(line.get("proposal_id")))
        if cause is not None:
            yield line, cause
