"""What `rivergate run` refuses: a sentence with the remedy, exit code 1, no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from tests.acceptance.command import Command, Start, state_of, until

from rivergate.runtime.kafka import LocalKafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

APP = "rivergate.demos.shuttle.app:app"
REFUSED_S = 60.0


def run(bootstrap: str, app: str, data: Path) -> list[str]:
    """Arguments that run the demo's app in processes."""
    options = ["--host", "local", "--review-port", "0", "--app", app, "--data-dir", str(data)]
    return ["run", APP, "--bootstrap", bootstrap, *options]


def expect_refusal(command: Command, *says: str) -> None:
    """It ended with exit code 1 and says these words, a remedy among them, and no traceback."""
    assert command.wait(REFUSED_S) == 1, command.err
    assert "Traceback" not in command.err
    assert [s for s in ("error", "→", *says) if s not in command.err] == [], command.err


def test_a_broker_that_is_not_there(start: Start, app: str, tmp_path: Path) -> None:
    """The message names the address and the commands that bring a broker."""
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        expect_refusal(start(*run(address, app, tmp_path / "data")), address, "rivergate broker")


def test_a_data_directory_that_cannot_be(start: Start, app: str, tmp_path: Path) -> None:
    """The message names the path that is in the way and the option that names another."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    expect_refusal(start(*run("127.0.0.1:1", app, in_the_way / "data")), str(in_the_way), "--data-dir")


def test_a_second_copy(start: Start, kafka: LocalKafka, app: str, tmp_path: Path) -> None:
    """The message names the process that is there; that one runs on, and still ends in good order."""
    data = tmp_path / "data"
    first = start(*run(kafka.bootstrap, app, data))
    until(lambda: bool(state_of(data).get("ready")), REFUSED_S, first)
    running = state_of(data)
    expect_refusal(start(*run(kafka.bootstrap, app, data)), str(running["pid"]), "--data-dir")
    assert state_of(data) == running
    first.interrupt()
    assert first.wait(30.0) == 0, first.err
    assert first.left() == []


def test_a_topic_with_another_partition_count(start: Start, kafka: LocalKafka, app: str, tmp_path: Path) -> None:
    """Keys would move, so nothing is changed: the message names the topic and both counts."""
    topic = f"{app}.actions"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in admin.create_topics([NewTopic(topic, 3)]).values():
        made.result()
    command = start(*run(kafka.bootstrap, app, tmp_path / "data"))
    expect_refusal(command, topic, "3", "4")
    assert command.left() == []
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3
