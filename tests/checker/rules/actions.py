"""Actions: what was allowed is what was proposed, under a policy in force, and comes to one end."""

from __future__ import annotations

from collections.abc import Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.rules.control import policies_in_force
from tests.checker.story import FINAL


def arguments_and_policies(e: Evidence) -> Iterator[Finding]:
    """An allowed action is its proposal; every verdict names a policy that was put in force."""
    s, policies = e.story, policies_in_force(e)
    for proposal_id, line in s.actions.items():
        proposal = s.proposals.get(proposal_id)
        if proposal is None:
            continue
        names = ("kind", "event_id") if line.get("verdict") != "allow" else ("kind", "event_id", "arguments_digest")
        if any(line.get(n) != proposal.get(n) for n in names):
            yield Finding(Rule.OTHER_ARGUMENTS, f"{line.where} of {proposal.where}")
    for lines in (s.actions, s.denials, s.opened):
        for line in lines.values():
            if line.get("policy_digest") not in policies:
                yield Finding(Rule.UNKNOWN_POLICY, f"{line.where}: {line.get('policy_digest')!r}")


def outcomes(e: Evidence) -> Iterator[Finding]:
    """An intent before each outcome that isn't a refusal, one final outcome, and nothing after it."""
    s = e.story
    for proposal_id, lines in {**s.intents, **s.outcomes}.items():
        if proposal_id not in s.actions:
            yield Finding(Rule.FROM_NOWHERE, f"{lines[0].where} is about no action")
    for proposal_id, lines in s.outcomes.items():
        intents = s.intents.get(proposal_id, ())
        for line in lines:
            if line.get("status") not in FINAL | {"unknown"}:
                yield Finding(Rule.UNREADABLE, f"{line.where}: status {line.get('status')!r}")
            if line.get("status") == "failed" and line.get("effect") not in {"none", "maybe", "partial"}:
                yield Finding(Rule.NO_EFFECT_NAMED, f"{line.where}: {line.get('effect')!r}")
            if line.get("status") != "refused" and not any(x.offset < line.offset for x in intents):
                yield Finding(Rule.WITHOUT_INTENT, f"{line.where} of {proposal_id}")
        final = s.final.get(proposal_id)
        for line in (*intents, *lines):
            if final is not None and line.offset > final.offset and line.get("status") not in FINAL:
                yield Finding(Rule.AFTER_FINAL, f"{line.where} after {final.where}")
    if e.settled:
        for proposal_id in s.actions.keys() - s.final.keys():
            yield Finding(Rule.UNSETTLED, f"action {proposal_id} has no final outcome")
