"""Labels: on their event's partition, from an outcome or a decision that is there."""

from __future__ import annotations

from collections.abc import Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line


def labels(e: Evidence) -> Iterator[Finding]:
    """Every label that the gate wrote; others may write theirs, which need the right partition too."""
    for line in e.of("labels"):
        if line.where in e.journals.skipped:
            continue
        event = line.get("event")
        if line.header("rg_origin"):  # copied: its event and its proposal are another app's
            continue
        if isinstance(event, dict) and event.get("partition") != line.partition:
            yield Finding(Rule.LABEL_ELSEWHERE, f"{line.where}: event {event}")
        if line.get("source") not in {"outcome", "decision", "topic"}:
            yield Finding(Rule.UNREADABLE, f"{line.where}: source {line.get('source')!r}")
        elif line.get("source") != "topic" and not _has_source(e, line):
            yield Finding(Rule.LABEL_OF_NOTHING, f"{line.where}: {line.get('source')} of {line.get('proposal_id')!r}")


def _has_source(e: Evidence, line: Line) -> bool:
    """An outcome with a label, or a review that people settled; both of a proposal on this very event."""
    proposal_id = str(line.get("proposal_id"))
    proposal = e.story.proposals.get(proposal_id)
    if proposal is None or any(proposal.get(n) != line.get(n) for n in ("event", "event_id")):
        return False
    if line.get("source") == "outcome":
        return any("label" in (x.json or {}) for x in e.story.outcomes.get(proposal_id, ()))
    settled = e.story.settled.get(proposal_id)
    return settled is not None and settled.get("result") in {"approved", "rejected"}
