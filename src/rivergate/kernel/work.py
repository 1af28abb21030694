"""What a performer does with the records it reads: the protocol, and the nouns that pass between the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from rivergate.domain.record import Position, Record
from rivergate.kernel.history import History
from rivergate.ports import Batch, Outputs


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be done in the world because of the record at `position`.

    Deeds with the same `order_key` are done one after the other, in the order in which they were planned: the
    next begins when the record of the one before it is finished, further attempts included. None asks for no
    order. `do` runs in a thread of its own, after the commit that holds the intent, and must not raise; what it
    returns is given to `Work.finish`. `subject` is the work's own. A `repeatable` one has no intent behind it: a
    drain leaves it to the next owner.

    No more of those `in_turn` act at once than there are threads for them. One whose intent isn't written yet has `intend`
    instead of `do`: called once a thread is free for it, it writes the intent and gives the deed, or the record's end and
    gives None. So an intent stands for what acts, never for what only waits.

    One with `after_s` does nothing: it comes back with the result None after so many seconds. Until then the record only
    waits, and another deed of it takes this one's place.
    """

    position: Position
    order_key: bytes | None
    do: Callable[[], Any] | None = None
    subject: Any = None
    repeatable: bool = False
    in_turn: bool = False
    intend: Callable[[Batch, Outputs], Deed | None] | None = None
    after_s: float = 0.0


class Waits(Enum):
    """The record stays open, and nothing is to be done for it until another record comes."""

    OPEN = "open"


OPEN: Final = Waits.OPEN


@dataclass(frozen=True, slots=True)
class Failed:
    """The record can't be handled after all: it goes to the dead letters and is finished."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a performer still knows of an open record after a commit of its own failed: the deed whose intent stands,
    whether it has begun, and if so what came of it.
    """

    deed: Deed
    begun: bool
    result: Any = None


class Work(Protocol):
    """Decides what is done and what is written; acts on nothing itself. One thread calls it.

    Whatever `out` is given is committed together with the list of what is still open, before any deed that
    was planned with it starts. If that commit fails, the work is interrupted and closed, and a new one gets what
    is open from `recover`; deeds in flight are awaited between the two.
    """

    def plan(self, batch: Batch, record: Record, index: int, out: Outputs) -> Deed | None:
        """A record was read: return the deed, whose intent is written now or in its turn, or write the record's end and
        return None. A record that can't be decoded is skipped with `out.skip(index, reason)`.

        The deed may be of an earlier record that is open (`position` says so) and for which nothing is in flight:
        then the record that was read is finished, and has woken the other.
        """

    def recover(
        self,
        batch: Batch,
        records: Sequence[Record],
        history: History,
        known: Mapping[Position, Known],
        out: Outputs,
    ) -> list[Deed]:
        """A new owner: these records were read and not finished. Like `plan`, knowing that the deed may have been
        done; `history.scan` reads what was written of them since the oldest was read, if retention has left it. `known`
        is empty unless the owner is the same as before. What gets no deed is finished.
        """

    def finish(self, batch: Batch, deed: Deed, result: Any, out: Outputs) -> Deed | Waits | Failed | None:
        """A deed was done: write its outcome and return None, or write what comes first and return the next deed, or
        leave the record open until another one wakes it, or give the record up.
        """

    def interrupt(self) -> None:
        """The work is about to be closed: a deed that only waits for its time comes back with a result of its own, of
        which nothing but `recover` and `finish` of the work know that it isn't done. What acts goes on.
        """

    def close(self) -> None:
        """Release what the effectors hold."""
