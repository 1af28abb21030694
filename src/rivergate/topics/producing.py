"""Lines from outside onto a topic: each is checked as it streams, and nothing of what is wrong is passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.domain.record import BY_KEY, Headers, Output
from rivergate.ports import Clock
from rivergate.topics.lines import EventLine, LineForm
from rivergate.topics.quantities import size_text

KEPT_PROBLEMS: Final = 100
"""So many problems are kept in full; all are counted."""

_BATCH_HEAD: Final = 61
_RECORD_HEAD: Final = 36


class Sender(Protocol):
    """Where the records go; `adapters.kafka_writer.KafkaWriter` is one."""

    delivered: int

    def send_soon(self, record: Output, headers: Headers, failed: Callable[[RivergateError], None]) -> None:
        """Write without waiting; `failed` is called during a later call if the record didn't arrive."""

    def flush(self) -> None:
        """Wait until every record has arrived or failed."""


@dataclass(frozen=True, slots=True)
class Target:
    """The topic, its size limit in bytes, and what the events' headers say."""

    topic: str
    limit: int
    source: str
    ce_type: str


@dataclass(slots=True)
class Produced:
    """What came of the lines. `written` are confirmed by the broker; `rejected` didn't hold; `unwritten` were sent
    and not confirmed, `first_unwritten` is the first line of those.
    """

    lines: int = 0
    written: int = 0
    rejected: int = 0
    unwritten: int = 0
    first_unwritten: int = 0
    problems: list[BadInput] = field(default_factory=list)
    failure: RivergateError | None = None

    def reject(self, problem: BadInput) -> None:
        """Count a line that doesn't hold."""
        self.rejected += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)

    def miss(self, number: int, error: RivergateError) -> None:
        """Count a line that didn't arrive."""
        if isinstance(error, BadInput):  # the broker's limit was lower than what it told us
            self.reject(BadInput(error.what, where=f"line {number}", remedy=error.remedy))
            return
        self.unwritten += 1
        if self.failure is None or number < self.first_unwritten:
            self.failure, self.first_unwritten = error, number


def checked_lines(
    lines: Iterable[bytes], form: LineForm, target: Target, report: Produced, *, fail_fast: bool = False
) -> Iterator[EventLine]:
    """The lines that hold; the others are in the report, the first of which ends it with `fail_fast`.

    Empty lines are nothing.
    """
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        report.lines += 1
        try:
            line = form.read(number, raw)
            _demand_size(line, target)
        except BadInput as e:
            report.reject(e)
            if fail_fast:
                return
        else:
            yield line


def write_lines(lines: Iterable[EventLine], target: Target, sender: Sender, report: Produced, clock: Clock) -> None:
    """Send what is checked. A broker that is away ends it. Raises `BrokerUnavailable` if the end isn't confirmed."""
    before = sender.delivered
    try:
        for line in lines:
            record = Output(target.topic, BY_KEY, line.key, line.value, line.ce_id.encode(), target.ce_type.encode())
            sender.send_soon(record, event_headers(line, target, clock), _missing(report, line.number))
            if report.failure:
                break
        sender.flush()
    finally:
        report.written += sender.delivered - before


def event_headers(line: EventLine, target: Target, clock: Clock) -> Headers:
    """CloudEvents 1.0 in Kafka's binary mode."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", line.ce_id.encode()),
        ("ce_source", target.source.encode()),
        ("ce_type", target.ce_type.encode()),
        ("ce_time", rfc3339(clock()).encode()),
        ("content-type", b"application/json"),
    ]


def _missing(report: Produced, number: int) -> Callable[[RivergateError], None]:
    return lambda error: report.miss(number, error)


def _demand_size(line: EventLine, target: Target) -> None:
    """The broker measures a batch; a record alone is the smallest that this line can make."""
    headers = event_headers(line, target, lambda: 0)
    size = _BATCH_HEAD + _RECORD_HEAD + len(line.value) + len(line.key or b"")
    size += sum(len(name) + len(value) + 6 for name, value in headers)
    if size > target.limit:
        raise BadInput(
            f"the record would have {size:,} bytes, above the limit of {size_text(target.limit)} of topic {target.topic}",
            where=f"line {line.number}",
            remedy="raise `max_message_bytes` in the topic's file and run `rivergate topics apply`, or send less",
        )
