"""What a session overhears in librdkafka's own lines."""

from __future__ import annotations

import logging

import pytest

from rivergate.adapters.kafka_log import Eavesdropper

LINE = "%s [%s] %s"


def test_a_broken_connection_is_heard_and_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """The client mends it by itself and says so on a level that nobody reads."""
    heard: list[bool] = []
    caplog.set_level(logging.DEBUG, "rivergate.kafka")
    Eavesdropper(lambda: heard.append(True)).log(logging.INFO, LINE, "FAIL", "producer-1", "Disconnected")
    assert heard == [True]
    assert caplog.records == []


def test_other_lines_are_written_if_they_warn(caplog: pytest.LogCaptureFixture) -> None:
    """Warnings go on to our log and end no session; chatter goes nowhere."""
    heard: list[bool] = []
    caplog.set_level(logging.DEBUG, "rivergate.kafka")
    overheard = Eavesdropper(lambda: heard.append(True))
    overheard.log(logging.INFO, LINE, "CONNECTED", "producer-1", "Connected")
    overheard.log(logging.WARNING, LINE, "GETPID", "producer-1", "retrying")
    assert heard == []
    assert [r.getMessage() for r in caplog.records] == ["GETPID [producer-1] retrying"]
