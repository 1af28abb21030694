"""What the review service refuses early, in words. The gate is the authority and judges again."""

from __future__ import annotations

from rivergate.domain.clock import Micros
from rivergate.review.case import Case, State
from rivergate.review.errors import (
    DecisionMalformed,
    NothingToResolve,
    OwnProposal,
    ReviewChanged,
    ReviewExpired,
    ReviewSettled,
    RoleMissing,
)
from rivergate.review.fact import Fact

NOTE_CHARS = 4000


def known_verdict(verdict: str) -> str:
    """`approve` or `deny`."""
    if verdict not in {"approve", "deny"}:
        raise DecisionMalformed(f"{verdict!r} is no verdict", remedy="say approve or deny")
    return verdict


def known_status(status: str) -> str:
    """`done` or `failed`."""
    if status not in {"done", "failed"}:
        raise DecisionMalformed(f"{status!r} settles nothing", remedy="say done or failed")
    return status


def short_note(note: str) -> str:
    """The note without surrounding space."""
    note = note.strip()
    if len(note) > NOTE_CHARS:
        raise DecisionMalformed(
            f"the note has {len(note)} characters", remedy=f"shorten it to {NOTE_CHARS}, and link to the rest"
        )
    return note


def open_revision(case: Case, now: Micros) -> Fact:
    """The revision that can be decided."""
    state, current, expires_at = case.state, case.current, case.expires_at
    if state is None or current is None:
        raise ReviewSettled(
            f"{case.proposal_id} isn't under review", remedy="only its outcome, if it is unknown, can be resolved"
        )
    if state is not State.OPEN:
        raise ReviewSettled(f"this review is settled already: {state.value}", remedy="there is nothing left to decide")
    if expires_at is not None and expires_at <= now:
        raise ReviewExpired(
            "this review's deadline has passed",
            remedy="the gate denies it as expired; the agent proposes again if it still wants the action",
        )
    return current


def same_as_seen(current: Fact, seen_digest: str, seen_revision: int) -> None:
    """A decision is about exactly what the reviewer saw."""
    value = current.value
    if value["revision"] != seen_revision or value["arguments_digest"] != seen_digest:
        raise ReviewChanged(
            f"this review has changed since you opened it: it is at revision {value['revision']} now",
            remedy="read it again, then decide",
        )


def not_the_maker(current: Fact, by: str) -> None:
    """Nobody approves what they stand behind."""
    if by in current.value["makers"]:
        raise OwnProposal(
            f"{by} stands behind this proposal and can't approve it", remedy="ask another reviewer to approve it"
        )


def role_held(current: Fact, roles: tuple[str, ...]) -> None:
    """Some reviews take a role."""
    missing = [r for r in current.value.get("roles", ()) if r not in roles]
    if missing:
        raise RoleMissing(
            f"deciding this takes the role {', '.join(missing)}",
            remedy="ask someone who has it; roles of the local operator stand in the token file",
        )


def outcome_unknown(case: Case) -> None:
    """Only an unknown outcome can be resolved."""
    if not case.unresolved:
        newest = case.outcome
        known = f"its outcome is {newest.value['status']}" if newest else "effects haven't reported an outcome yet"
        raise NothingToResolve(f"nothing to resolve: {known}", remedy="only unknown outcomes wait for a person's word")
