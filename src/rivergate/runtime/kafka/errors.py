"""What can go wrong between a data directory and a broker that answers."""

from __future__ import annotations

from rivergate.domain.errors import AlreadyRunning, BrokerUnavailable, ConfigError, RivergateError


class DistributionUnavailable(RivergateError):
    """Apache Kafka's files aren't all here and couldn't be fetched, or what came isn't what the lock file names."""

    retryable = True


class PortInUse(ConfigError):
    """Another program listens on the port that the broker was told to use."""


class DataDirInUse(AlreadyRunning):
    """Another broker works on the data directory. `pid` is its process, 0 where that isn't known."""

    def __init__(self, what: str, *, pid: int, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.pid = pid


class BrokerCrashed(BrokerUnavailable):
    """The broker's process ended by itself. Terminal: it would end the same way again."""

    retryable = False


class BrokerSilent(BrokerUnavailable):
    """The broker's process runs and doesn't answer in time."""
