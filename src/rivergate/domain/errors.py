"""What can go wrong, said so that the reader knows what happens next."""

from __future__ import annotations

from typing import ClassVar


class RivergateError(Exception):
    """Root of all errors that rivergate raises.

    `what` says what happened, `where` the place (file, line, topic, partition, offset), `remedy` what to do.
    `retryable` tells whether doing the same again may succeed without anybody changing anything.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n→ {self.remedy}" if self.remedy else text


class ConfigError(RivergateError):
    """An app, a topic file, a policy or an option says something that can't be."""


class BadInput(RivergateError):
    """A record, a line or an argument from outside doesn't have the declared form."""


class UnknownTopic(RivergateError):
    """A topic that is named doesn't exist on the broker."""


class RecordsRemoved(RivergateError):
    """Retention has removed what was to be read."""


class BrokerUnavailable(RivergateError):
    """The broker doesn't answer. Terminal for the call that got it; a loop may try again later."""

    retryable = True


class Fenced(RivergateError):
    """Another owner took the shard over; this one must drop it and not commit again."""


class TransactionAborted(RivergateError):
    """The transaction didn't commit; in-memory state is dirty and has to be rebuilt."""

    retryable = True


class CommitUnknown(RivergateError):
    """A commit or abort timed out, so nobody knows how it ended: recycle the producer, read the journal."""

    retryable = True


class ShardParked(RivergateError):
    """A shard stopped itself because going on could harm; it says why and waits for a person."""


class SnapshotCorrupt(RivergateError):
    """A snapshot's bytes, digest or signature don't hold; nothing of it was loaded."""


class StoreUnavailable(RivergateError):
    """The store of snapshots and models doesn't answer, or refuses. Terminal for the call that got it; a loop may try again."""

    retryable = True


class SnapshotNotWritten(RivergateError):
    """The store took no snapshot. Log and state are whole, and a recovery replays more, until it takes one again."""

    retryable = True


class ReplayMismatch(RivergateError):
    """Folding recorded input again gave something else than the journal recorded."""


class AlreadyRunning(RivergateError):
    """A second copy of something that may run once."""


class StartRefused(RivergateError):
    """The machine, or Ray, made no process for us. Terminal for a first start; a restart is tried again later."""


class RecordFailed(RivergateError):
    """Handling one record raised. `index` is its place in the batch; `reason` goes to its dead letter."""

    def __init__(self, index: int, reason: str, *, where: str = "") -> None:
        super().__init__(reason, where=where, remedy="see `rivergate dlq list`; redrive the record once it is mended")
        self.index = index
        self.reason = reason
