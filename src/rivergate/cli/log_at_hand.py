"""The log beside the audit store, where a broker is known: events' own records, and what the store hasn't read yet."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rivergate.adapters.audit_schema import AUDITED
from rivergate.audit.wording import moment
from rivergate.cli.audit_db import Place
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import RivergateError
from rivergate.domain.record import Record
from rivergate.ports import LogArchive
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import read_running

BEHIND_MS = 10_000
"""A store that follows the log is less than a second behind it."""


class LogAtHand:
    """Reads a log. One thread. Whoever made it closes it."""

    def __init__(self, log: LogArchive, place: Place) -> None:
        self._log = log
        self._reader = place.reader

    def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        """See `audit.ports.FetchRecord`."""
        return next(iter(self._log.read(topic, partition, offset, offset + 1)), None)

    def close(self) -> None:
        """Release the connection."""
        self._log.close()

    def unread(self, partition: int) -> Sequence[str]:
        """A sentence where the store lags: what a proposal of this partition has led to may stand in what it hasn't read."""
        app, positions, since = self._reader.app(), self._reader.positions(), 0
        behind = []
        limit_ms = time.time_ns() // 1_000_000 - BEHIND_MS
        try:
            for name in AUDITED:
                topic = names.topic(app, name)
                first = next(self._log.scan(topic, partition, positions.get((topic, partition), 0)), None)
                if first is not None and first.timestamp_ms < limit_ms:
                    behind.append(name)
                    since = min(since or first.timestamp_ms, first.timestamp_ms)
        except RivergateError:  # the event's own record says so, too
            return ()
        if not behind:
            return ()
        at = moment(rfc3339(since * 1000))
        what = f"the audit store has read nothing of {', '.join(behind)} since {at}"
        return (f"{what}: more may have happened than is told here; see audit.log",)


def log_at_hand(place: Place, bootstrap: str | None) -> LogAtHand | None:
    """By the broker that is named, else by the one that the app runs on now; None where neither is known."""
    running = read_running(DataDir(place.data_dir).state_file)
    address = bootstrap or (running.bootstrap if running else None)
    if not address:
        return None
    from rivergate.adapters.kafka_reader import KafkaReader

    return LogAtHand(KafkaReader(address, names.topic(place.reader.app(), "explain")), place)
