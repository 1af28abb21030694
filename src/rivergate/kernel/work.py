"""What a performer does with the records it reads: the protocol, and the nouns that pass between the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rivergate.domain.record import Position, Record
from rivergate.ports import Batch, LogReader, Outputs


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be done in the world because of the record at `position`.

    Deeds with the same `order_key` are done one after the other, in the order in which they were planned.
    `do` runs in a thread of its own, after the commit that holds the intent, and must not raise; what it
    returns is given to `Work.finish`. `subject` is the work's own.
    """

    position: Position
    order_key: bytes
    do: Callable[[], Any]
    subject: Any = None


class Work(Protocol):
    """Decides what is done and what is written; acts on nothing itself. One thread calls it.

    Whatever `out` is given is committed together with the list of what is still open, before any deed that
    was planned with it starts.
    """

    def plan(self, batch: Batch, record: Record, index: int, out: Outputs) -> Deed | None:
        """A record was read: write its intent and return the deed, or write its end and return None. A record that
        can't be decoded is skipped with `out.skip(index, reason)`.
        """

    def recover(self, batch: Batch, records: Sequence[Record], history: LogReader, out: Outputs) -> list[Deed]:
        """A new owner: these records were read and not finished. Like `plan`, knowing that the deed may have been
        done; `history` reads what was written of them.
        """

    def finish(self, batch: Batch, deed: Deed, result: Any, out: Outputs) -> Deed | None:
        """A deed was done: write its outcome and return None, or write another intent and return the next deed."""

    def close(self) -> None:
        """Release what the effectors hold."""
