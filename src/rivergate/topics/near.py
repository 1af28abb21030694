"""Suggestions for names that don't exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

_ALIKE: Final = 0.6
_ABOUT_AS_ALIKE: Final = 0.05


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known names that look most like it, best first; none that looks much less so than the best."""
    likeness = {k: SequenceMatcher(None, name.casefold(), k.casefold()).ratio() for k in known}
    ranked = sorted(likeness, key=lambda k: (-likeness[k], k))[:3]
    return [k for k in ranked if likeness[k] >= max(_ALIKE, likeness[ranked[0]] - _ABOUT_AS_ALIKE)]


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean 'telemetry'?`, or what is given for the case that nothing is like it."""
    found = near(name, known)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise
