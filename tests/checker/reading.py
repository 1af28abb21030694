"""Evidence from a broker, by a `read_committed` consumer of the checker's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition
from tests.checker.evidence import Evidence
from tests.checker.journals import problem_of
from tests.checker.line import Line, Partition

ANSWER_S = 15.0
STUCK_S = 30.0
SOON = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""What a broker answers that has just started: it leads or coordinates nothing yet."""


def patiently(ask: Callable[..., Any], about: Any) -> Any:
    """The broker's answer, asked again while it has just started."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            return ask(about, timeout=ANSWER_S)
        except KafkaException as e:
            if e.args[0].code() not in SOON or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class TopicsReader:
    """Reads whole topics, committed records alone. One thread; use it in `with`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = self._client("rivergate-checker")
        self.partitions = {n: len(t.partitions) for n, t in self._consumer.list_topics(timeout=ANSWER_S).topics.items()}
        self.lows: dict[Partition, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._consumer.close()

    def read(self, topics: Iterable[str]) -> dict[str, list[Line]]:
        """Every committed record up to now, in order of partition and offset. A missing topic is empty."""
        found: dict[str, list[Line]] = {t: [] for t in topics}
        wanted = [(t, p) for t in found for p in range(self.partitions.get(t, 0))]
        for t, p in wanted:
            self.lows[t, p] = patiently(self._consumer.get_watermark_offsets, TopicPartition(t, p))[0]
        self._consumer.assign([TopicPartition(t, p, self.lows[t, p]) for t, p in wanted])
        left, moved = set(wanted), time.monotonic()
        while left:
            messages = self._consumer.consume(5000, 0.2)
            if messages:
                moved = time.monotonic()
            elif time.monotonic() - moved > STUCK_S:
                raise TimeoutError(f"{sorted(left)} never ended: is a transaction left open?")
            for m in messages:
                if m.error() is not None:
                    left.discard(_ended(m))
                else:
                    found[str(m.topic())].append(line_of(m))
        self._consumer.unassign()
        for lines in found.values():
            lines.sort(key=lambda x: (x.partition, x.offset))
        return found

    def committed(self, group: str, topics: Iterable[str]) -> dict[Partition, tuple[int, str]]:
        """Committed offset and metadata of each partition of these topics."""
        asked = [TopicPartition(t, p) for t in topics for p in range(self.partitions.get(t, 0))]
        client = self._client(group)
        try:
            answered = patiently(client.committed, asked) if asked else []
            return {(tp.topic, tp.partition): (tp.offset, tp.metadata or "") for tp in answered}
        finally:
            client.close()

    def _client(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "fetch.queue.backoff.ms": 5,
                "log_level": 2,
            }
        )


def gather(bootstrap: str, app: str, *, settled: bool, operator_key: bytes | None = None) -> Evidence:
    """Read all that belongs to an app: its system topics, and whatever its journals say was read or written."""
    with TopicsReader(bootstrap) as reader:
        lines = reader.read(t for t in reader.partitions if t.startswith(f"{app}."))
        prefix = f"{app}.journal."
        read: dict[str, set[str]] = {}
        written: set[str] = set()
        for topic in [t for t in lines if t.startswith(prefix)]:
            values = [x.json or {} for x in lines[topic] if not problem_of(x.json)]
            read[topic.removeprefix(prefix)] = {r[0] for v in values for r in v["ranges"]}
            written |= {t for v in values for t in v["outputs"]}
        lines |= reader.read((written | set().union(*read.values())) - lines.keys())
        groups = {f"{app}.{stage}": reader.committed(f"{app}.{stage}", topics) for stage, topics in read.items()}
        return Evidence(app, lines, reader.partitions, groups, reader.lows, settled, operator_key)


def _ended(message: Message) -> Partition:
    error = message.error()
    if error is None or error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return str(message.topic()), int(message.partition() or 0)


def line_of(m: Message) -> Line:
    """A record as the checker keeps it."""
    kind, at = m.timestamp()
    headers = {str(k): v if isinstance(v, bytes) else b"" for k, v in list(m.headers() or [])}
    return Line(
        str(m.topic()),
        int(m.partition() or 0),
        int(m.offset() or 0),
        _raw(m.key()),
        _raw(m.value()),
        headers,
        at if kind == TIMESTAMP_LOG_APPEND_TIME else None,
    )


def _raw(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
