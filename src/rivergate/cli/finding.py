"""`Finding`: one thing that `rivergate doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `remedy` is empty where nothing is to be done."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed_for: str = ""
