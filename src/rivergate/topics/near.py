"""Suggestions for names that don't exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known names that look most like it, best first."""
    by_folded = {k.casefold(): k for k in known}
    return [by_folded[m] for m in get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)]


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean 'telemetry'?`, or what is given for the case that nothing is like it."""
    found = near(name, known)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise
