"""Settings of our Kafka clients, each with the reason that a measurement gave for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger("rivergate.kafka")

BATCH_BYTES = 1_000_000
"""How far producers fill a batch, before compression. The broker holds a topic's limit against whole batches, so no
topic's limit may be below it.
"""


RECONNECT = {"reconnect.backoff.max.ms": 1000}
"""The default of ten seconds is how long a client may go on sleeping once the broker is back."""


class OncePerSecond(logging.Filter):
    """Lets one line of a client and kind through a second: while a broker is away, each client says so 20 times."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Lines begin with `KIND [client]`."""
        said = record.getMessage().partition("]")[0]
        new = record.created - self._last.get(said, 0.0) >= 1.0
        if new:
            self._last[said] = record.created
        return new


def common(bootstrap: str, security: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What every client has. librdkafka's own lines go to our log, never onto a user's terminal."""
    if not LOG.handlers:
        LOG.addHandler(logging.NullHandler())  # without any handler, Python itself writes warnings to stderr
    if not LOG.filters:
        LOG.addFilter(OncePerSecond())
    return {"bootstrap.servers": bootstrap, "logger": LOG, "log_level": 4} | RECONNECT | dict(security or {})


def consumer(bootstrap: str, group: str, security: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A consumer of committed data that is assigned by hand and commits nothing by itself.

    It holds 16 MiB of records that nobody has polled yet, whatever the number of partitions, and what one answer of each
    broker brings on top: at most a mebibyte of compressed records for each partition. Seen with eight partitions and a
    backlog of 240 MB: 25 MB where records don't compress. So a shard's memory doesn't grow with what waits on the log.
    """
    return common(bootstrap, security) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
        "fetch.queue.backoff.ms": 5,  # the default of a second stalls a fast reader
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 16_384,
    }


def producer(bootstrap: str, security: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An idempotent producer; keys go where Kafka's own default partitioner sends them."""
    return common(bootstrap, security) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "compression.type": "lz4",
        "retry.backoff.ms": 10,  # the default of 100 is what a commit waits for after a concurrent one
        "queue.buffering.max.messages": 500_000,
        "message.max.bytes": 64 * 1024**2,  # the topic's own limit decides; a dead letter is larger than any input
        "batch.size": BATCH_BYTES,
    }


def transactional(bootstrap: str, transactional_id: str, security: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The shard's producer. A hung transaction stalls every reader, so the broker ends it after ten seconds."""
    return producer(bootstrap, security) | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 10_000,
        "message.timeout.ms": 9_000,
    }
