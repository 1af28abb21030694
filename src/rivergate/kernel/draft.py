"""A performer's commit in the making, and what is left of one that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Position, Record
from rivergate.kernel.work import Deed, Known
from rivergate.ports import Batch, Outputs

Open = dict[Position, Deed | None]
"""What was read and isn't finished, with the deed whose intent stands; None waits for another record."""


@dataclass(slots=True)
class Draft:
    """A commit in the making: what will be open after it, which deeds begin then, whose records are finished by it, and
    what goes to the dead letters. `record` is there once it is attempted.
    """

    batch: Batch
    out: Outputs
    open: Open
    started_ns: int
    planned: list[Deed] = field(default_factory=list)
    finished: list[Deed] = field(default_factory=list)
    letters: list[tuple[Record, str]] = field(default_factory=list)
    record: CommitRecord | None = None

    def is_of(self, found: CommitRecord) -> bool:
        """Whether this is the attempt that `found` is of. Two owners never write alike to the last field: the digest of
        the spans covers the wall clock.
        """
        return self.record is not None and self.record.to_json() == found.to_json()


@dataclass(slots=True)
class Unsettled:
    """A commit failed and the state hasn't been taken from the journal again: what came of deeds before it and since, what
    is known of what was open before it once all that had begun has come back, and whether the session has to begin anew
    first. `told` once the log says that it has to wait.
    """

    came: dict[Position, Any]
    recycle: bool
    known: Mapping[Position, Known] | None = None
    told: bool = False
