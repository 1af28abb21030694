"""What can go wrong with the audit's view of the log."""

from __future__ import annotations

from rivergate.domain.errors import RivergateError


class AuditStoreUnavailable(RivergateError):
    """The database can't be written or read just now (locked, disk full); the log keeps everything meanwhile."""

    retryable = True


class NoAuditStore(RivergateError):
    """There is no audit database at that place, or one of another version."""


class NotFound(RivergateError):
    """Nothing that was recorded has that id."""


class Ambiguous(RivergateError):
    """An abbreviated id names more than one thing."""


class ReceiverUnavailable(RivergateError):
    """An OTLP receiver doesn't take spans just now; they wait in the log."""

    retryable = True
