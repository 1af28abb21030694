"""The flagship demo as a whole, on both hosts: its report, its topics, its work orders."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.command import Start
from tests.acceptance.holding import check_report, check_world, demo, report_of

from rivergate.runtime.kafka import LocalKafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVENTS = 1500
END_S = 110.0


def test_it_holds_under_ray_on_a_given_kafka(start: Start, kafka: LocalKafka, app: str, tmp_path: Path) -> None:
    """Agents as Ray actors: the report's sums hold, the replay is identical, and the checker finds nothing."""
    data = tmp_path / "data"
    command = start(*demo(app, data, "ray", EVENTS, "--bootstrap", kafka.bootstrap))
    assert command.wait(END_S) == 0, command.err
    report = report_of(command)
    check_report(report, EVENTS, "ray")
    assert report["broker"] == kafka.bootstrap
    check_world(kafka.bootstrap, app, data, report["actions"])


def test_it_holds_in_processes_on_its_own_kafka(start: Start, app: str, tmp_path: Path) -> None:
    """Its own Kafka ends with it, and tells the same when it is started again on the same folder."""
    data = tmp_path / "data"
    command = start(*demo(app, data, "local", EVENTS, "--partitions", "2"))
    assert command.wait(END_S) == 0, command.err
    report = report_of(command)
    check_report(report, EVENTS, "local", partitions=2)
    with LocalKafka(data) as again:
        check_world(again.bootstrap, app, data, report["actions"])
