"""What a round can find, in the words of the summary."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The summary has one counter for each."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    DIGEST_MISMATCH = "digest_mismatch"
    JOURNAL_GAPS = "journal_gaps"
    UNEXPLAINED = "unexplained"
    EFFECTS_DOUBLED = "effects_doubled"


class Found(NamedTuple):
    """One thing that doesn't hold; `check` names who found it."""

    kind: Kind
    check: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.check}): {self.what}"
