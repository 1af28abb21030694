from __future__ import annotations

from collections.abc import Callable

import pytest

from rivergate.domain.clock import SECOND
from rivergate.domain.errors import BadInput, BrokerUnavailable, RivergateError
from rivergate.domain.record import BY_KEY, Headers, Output
from rivergate.topics.lines import LineForm
from rivergate.topics.producing import KEPT_PROBLEMS, Produced, Target, checked_lines, write_lines

TARGET = Target("telemetry", limit=1000, source="/rivergate/produce", ce_type="reading")
GOOD = b'{"a":1}\n'


class FakeSender:
    """Takes records; those whose place is in `failing` fail with that error."""

    def __init__(self, failing: dict[int, RivergateError] | None = None) -> None:
        self.delivered = 0
        self.sent: list[tuple[Output, Headers]] = []
        self.flushed = False
        self._failing = failing or {}

    def send_soon(self, record: Output, headers: Headers, failed: Callable[[RivergateError], None]) -> None:
        error = self._failing.get(len(self.sent))
        self.sent.append((record, headers))
        if error:
            failed(error)
        else:
            self.delivered += 1

    def flush(self) -> None:
        self.flushed = True


def produced(lines: list[bytes], sender: FakeSender, *, fail_fast: bool = False) -> Produced:
    """Check and write these lines."""
    report = Produced()
    checked = checked_lines(lines, LineForm(), TARGET, report, fail_fast=fail_fast)
    write_lines(checked, TARGET, sender, report, lambda: SECOND)
    return report


def test_good_lines_are_written_and_bad_ones_named() -> None:
    """A bad line holds back no good one, and its number counts empty lines."""
    sender = FakeSender()
    report = produced([GOOD, b"oops\n", b"\n", GOOD, b"[]\n"], sender)
    assert (report.lines, report.written, report.rejected) == (4, 2, 2)
    assert [p.where for p in report.problems] == ["line 2", "line 5"]
    assert sender.flushed


def test_fail_fast_stops_at_the_first_bad_line() -> None:
    """What comes after it isn't even read."""
    report = produced([GOOD, b"oops", GOOD, b"oops"], FakeSender(), fail_fast=True)
    assert (report.lines, report.written, report.rejected) == (2, 1, 1)


def test_events_are_cloud_events_in_binary_mode() -> None:
    """Every header of the wire contract, and a partition that the key chooses."""
    sender = FakeSender()
    produced([GOOD], sender)
    record, headers = sender.sent[0]
    said = dict(headers)
    assert said.pop("ce_id") == record.ce_id
    assert record.partition == BY_KEY
    assert said == {
        "ce_specversion": b"1.0",
        "ce_source": b"/rivergate/produce",
        "ce_type": b"reading",
        "ce_time": b"1970-01-01T00:00:01.000000Z",
        "content-type": b"application/json",
    }


def test_an_oversized_record_names_the_limit_and_the_remedy() -> None:
    """It is refused before the broker is asked."""
    sender = FakeSender()
    report = produced([b'{"a":"' + b"x" * 1000 + b'"}'], sender)
    assert sender.sent == []
    assert "above the limit of 1,000 bytes of topic telemetry" in report.problems[0].what
    assert "raise `max_message_bytes`" in report.problems[0].remedy


def test_a_record_that_the_broker_finds_too_large_is_a_bad_line() -> None:
    """The broker's word counts, and the line is named all the same."""
    report = produced([GOOD, GOOD], FakeSender({1: BadInput("too large", remedy="send less")}))
    assert (report.written, report.rejected, report.problems[0].where) == (1, 1, "line 2")


def test_a_broker_that_goes_away_ends_it_and_names_the_first_line() -> None:
    """Whoever resumes knows from where."""
    sender = FakeSender({2: BrokerUnavailable("gone")})
    report = produced([GOOD] * 10, sender)
    assert (report.written, report.unwritten, report.first_unwritten) == (2, 1, 3)
    assert len(sender.sent) == 3


def test_what_was_confirmed_is_counted_when_the_end_is_not() -> None:
    """An error at the flush doesn't hide what had arrived."""

    class NeverFlushed(FakeSender):
        def flush(self) -> None:
            raise BrokerUnavailable("gone")

    report = Produced()
    checked = checked_lines([GOOD], LineForm(), TARGET, report)
    with pytest.raises(BrokerUnavailable):
        write_lines(checked, TARGET, NeverFlushed(), report, lambda: 0)
    assert report.written == 1


def test_problems_are_counted_beyond_those_that_are_kept() -> None:
    """A million bad lines don't fill the memory."""
    report = produced([b"oops"] * (KEPT_PROBLEMS + 5), FakeSender())
    assert (report.rejected, len(report.problems)) == (KEPT_PROBLEMS + 5, KEPT_PROBLEMS)
