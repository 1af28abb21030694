"""What a policy says, as values: rules, the terms of reviews, the lattice of verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from rivergate.domain.ids import digest_of

TIERS: Final = ("low", "medium", "high")
"""Risk tiers of reviews, mild ones first."""

ANY_KIND: Final = "*"


class Verdict(IntEnum):
    """What the gate says of a proposal. The greatest wins: `deny > review > modify > allow`."""

    ALLOW = 0
    MODIFY = 1
    REVIEW = 2
    DENY = 3

    @property
    def word(self) -> str:
        """As it stands in files and on the wire."""
        return _WORDS[self]


_WORDS: Final = {v: v.name.lower() for v in Verdict}

VERDICTS: Final = {word: v for v, word in _WORDS.items()}


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """How people have to settle a review. `roles` must all be held; `expires_after_s` None: with the proposal."""

    tier: str = "medium"
    quorum: int = 1
    expires_after_s: float | None = None
    roles: tuple[str, ...] = ()

    def strictest(self, other: ReviewTerms) -> ReviewTerms:
        """Terms that satisfy both."""
        ends = [s for s in (self.expires_after_s, other.expires_after_s) if s is not None]
        return ReviewTerms(
            tier=max(self.tier, other.tier, key=TIERS.index),
            quorum=max(self.quorum, other.quorum),
            expires_after_s=min(ends, default=None),
            roles=tuple(sorted({*self.roles, *other.roles})),
        )

    def demands_more_than(self, other: ReviewTerms) -> bool:
        """Whether what satisfied `other` may fall short of these. Deadlines don't count: they ran already."""
        return self.quorum > other.quorum or not set(self.roles) <= set(other.roles)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy. `when` is a condition, or empty for always; `assignments` are (field, expression)."""

    id: str
    kinds: tuple[str, ...]
    verdict: Verdict
    when: str = ""
    because: str = ""
    terms: ReviewTerms | None = None
    assignments: tuple[tuple[str, str], ...] = ()

    def concerns(self, kind: str) -> bool:
        """Whether it is a rule about this kind."""
        return kind in self.kinds or ANY_KIND in self.kinds

    def canonical(self) -> dict[str, Any]:
        """As it goes into the policy's digest."""
        terms = self.terms
        return {
            "id": self.id,
            "kinds": sorted(self.kinds),
            "verdict": self.verdict.word,
            "when": self.when,
            "because": self.because,
            "review": None
            if terms is None
            else {
                "tier": terms.tier,
                "quorum": terms.quorum,
                "expires_after_s": terms.expires_after_s,
                "roles": list(terms.roles),
            },
            "set": dict(self.assignments),
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. Two with equal `digest` judge every proposal alike."""

    file: str
    rules: tuple[Rule, ...]
    schemas: Mapping[str, Mapping[str, Any]]
    engine: str
    on_error: Verdict = Verdict.DENY
    constants: Mapping[str, Any] = field(default_factory=dict)
    default_terms: ReviewTerms = field(default_factory=ReviewTerms)
    version: int = 1
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.canonical()))

    def canonical(self) -> dict[str, Any]:
        """Everything that a verdict may depend on."""
        return {
            "version": self.version,
            "on_error": self.on_error.word,
            "constants": dict(self.constants),
            "defaults": Rule("", (), Verdict.REVIEW, terms=self.default_terms).canonical()["review"],
            "rules": [r.canonical() for r in self.rules],
            "schemas": dict(self.schemas),
            "engine": self.engine,
        }
