"""Proposals and all that became of them, by proposal id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.checker.finding import Finding, Rule
from tests.checker.line import Line

FINAL = {"done", "failed", "refused"}


class Story:
    """The first record of each id binds. Only the door and the review service may repeat theirs."""

    def __init__(self, topics: Mapping[str, Sequence[Line]]) -> None:
        self.problems: list[Finding] = []
        reviews = topics["reviews"]
        self.proposals = self._first(_of("proposal", topics["proposals"]), outbox="/door")
        self.actions = self._first(_of("action", topics["actions"]))
        self.denials = self._first(_of("denial", topics["denials"]))
        self.opened = self._first(_of("review.opened", reviews))
        self.settled = self._first(_of("review.settled", reviews))
        self.judged = self._first(_of("review.decision_judged", reviews), "decision_id")
        self.decisions = self._first(_of("decision", topics["decisions"]), "decision_id", outbox="")
        self.resolutions = list(_of("resolution", topics["decisions"]))
        self.amended = _by_proposal(_of("review.amended", reviews))
        self.intents = _by_proposal(_of("intent", topics["outcomes"]))
        self.outcomes = _by_proposal(_of("outcome", topics["outcomes"]))
        self.final: dict[str, Line] = {}
        for proposal_id, lines in self.outcomes.items():
            ends = [x for x in lines if x.get("status") in FINAL]
            if ends:
                self.final[proposal_id] = ends[0]
            self.problems += [
                Finding(Rule.DOUBLED, f"final outcome of {proposal_id}: {ends[0].where} and {x.where}")
                for x in ends[1:]
            ]

    def latest_revision(self, proposal_id: str) -> Line | None:
        """The review as it stands after its amendments."""
        amended = self.amended.get(proposal_id)
        return amended[-1] if amended else self.opened.get(proposal_id)

    def is_open(self, proposal_id: str) -> bool:
        """Whether a review of it waits."""
        return proposal_id in self.opened and proposal_id not in self.settled

    def _first(self, lines: Iterable[Line], by: str = "proposal_id", outbox: str | None = None) -> dict[str, Line]:
        """The first line of each id; a later one is a finding unless its source ends as an outbox's does."""
        found: dict[str, Line] = {}
        for line in lines:
            name = str(line.get(by))
            if name not in found:
                found[name] = line
            elif outbox is None or not line.header("ce_source").endswith(outbox):
                self.problems.append(Finding(Rule.DOUBLED, f"{line.kind} of {name}: {found[name].where}, {line.where}"))
        return found


def _of(kind: str, lines: Iterable[Line]) -> list[Line]:
    return [x for x in lines if x.kind == f"rivergate.{kind}.v1" and x.json is not None]


def _by_proposal(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[str(line.get("proposal_id"))].append(line)
    return dict(found)
