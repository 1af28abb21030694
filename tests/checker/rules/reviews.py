"""Reviews: revisions, people's decisions and the gate's answers, and what people really approved."""

from __future__ import annotations

from collections.abc import Iterator

from tests.checker.digests import is_signed
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line
from tests.checker.rules.control import trusted_keys


def histories(e: Evidence) -> Iterator[Finding]:
    """Opened, amended revision by revision, settled together with the proposal's end."""
    s = e.story
    for proposal_id, amended in s.amended.items():
        if proposal_id not in s.opened:
            yield Finding(Rule.FROM_NOWHERE, f"{amended[0].where} amends a review that was never opened")
        found = [x.get("revision") for x in amended]
        if found != list(range(1, len(found) + 1)):
            yield Finding(Rule.REVISION_GAP, f"{proposal_id}: {found}")
    for proposal_id, line in s.settled.items():
        if proposal_id not in s.opened:
            yield Finding(Rule.FROM_NOWHERE, f"{line.where} settles a review that was never opened")
        approved = line.get("result") == "approved"
        end = (s.actions if approved else s.denials).get(proposal_id)
        if end is None or end.commit != line.commit:
            wanted = "action" if approved else "denial"
            yield Finding(Rule.END_DISAGREES, f"{line.where}: {line.get('result')}, no {wanted} in {line.commit}")


def decisions(e: Evidence) -> Iterator[Finding]:
    """Signed by a trusted review service, answered exactly once."""
    s, keys = e.story, trusted_keys(e)
    for line in [*s.decisions.values(), *s.resolutions]:
        answer = s.judged.get(str(line.get("decision_id")))
        refused = answer is not None and answer.get("result") == "refused"
        if not refused and not is_signed(line.json or {}, keys):
            yield Finding(Rule.UNSIGNED, f"{line.where}: key {line.get('key_id')!r}")
    for decision_id, line in s.judged.items():
        decision = s.decisions.get(decision_id)
        if decision is None or decision.get("proposal_id") != line.get("proposal_id"):
            yield Finding(Rule.FROM_NOWHERE, f"{line.where} judges decision {decision_id}, which isn't there")
    if e.settled:
        for decision_id in s.decisions.keys() - s.judged.keys():
            yield Finding(Rule.UNSETTLED, f"decision {decision_id} was never answered")


def approvals(e: Evidence) -> Iterator[Finding]:
    """Enough people approved exactly this, none of them its maker."""
    s = e.story
    for proposal_id, action in s.actions.items():
        reviewed = action.get("verdict") == "review"
        if reviewed != (proposal_id in s.opened):
            yield Finding(Rule.PAST_REVIEW, f"{action.where}: {action.get('verdict')}")
        review = s.latest_revision(proposal_id)
        if reviewed and review is not None:
            yield from _approval(e, proposal_id, action, review)


def _approval(e: Evidence, proposal_id: str, action: Line, review: Line) -> Iterator[Finding]:
    people: set[str] = set()
    for decision_id in action.get("decisions") or ():
        decision, answer = e.story.decisions.get(decision_id), e.story.judged.get(decision_id)
        counted = answer is not None and answer.get("result") == "counted"
        if decision is None or not counted or decision.get("proposal_id") != proposal_id:
            yield Finding(Rule.UNAPPROVED, f"{action.where}: decision {decision_id} doesn't count")
        elif decision.get("verdict") != "approve":
            yield Finding(Rule.UNAPPROVED, f"{action.where}: decision {decision_id} is {decision.get('verdict')}")
        else:
            people.add(str(decision.get("by")))
            seen = (decision.get("arguments_digest"), decision.get("revision"))
            if seen != (action.get("arguments_digest"), review.get("revision")):
                yield Finding(Rule.OTHER_REVISION, f"{action.where}: decision {decision_id} saw revision {seen[1]}")
    if action.get("arguments_digest") != review.get("arguments_digest"):
        yield Finding(Rule.OTHER_REVISION, f"{action.where}: the review was about other arguments")
    makers = people & set(review.get("makers") or ())
    if makers:
        yield Finding(Rule.MAKER_IS_CHECKER, f"{action.where}: {', '.join(sorted(makers))}")
    if len(people - makers) < max(1, review.get("quorum") or 1):
        yield Finding(Rule.NO_QUORUM, f"{action.where}: {len(people - makers)} of {review.get('quorum')}")
