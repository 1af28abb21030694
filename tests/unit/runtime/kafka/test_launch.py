from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from rivergate.runtime.kafka.addresses import CHOICE, demand, free_port, is_free
from rivergate.runtime.kafka.errors import BrokerCrashed, BrokerSilent, PortInUse
from rivergate.runtime.kafka.home import Home
from rivergate.runtime.kafka.launch import RunningBroker
from rivergate.runtime.kafka.process import TetheredProcess
from rivergate.runtime.kafka.readiness import is_serving, wake
from rivergate.runtime.kafka.settle import wait_for_end


@dataclass
class Scripted:
    """Stands for a process: alive for so many questions, then ended."""

    questions: int
    exit_code: int = 1

    @property
    def alive(self) -> bool:
        self.questions -= 1
        return self.questions >= 0


def running(tmp_path: Path, questions: int) -> RunningBroker:
    """A broker whose process lives for so many questions."""
    home = Home(tmp_path)
    home.make()
    return RunningBroker(cast("TetheredProcess", Scripted(questions)), home, 20001, 0)


def test_a_start_ends_with_the_first_answer(tmp_path: Path) -> None:
    """It asks again until the broker serves."""
    answers = iter([False, False, True])
    running(tmp_path, 99).wait_until_serving(5.0, sleep=lambda _s: None, serving=lambda _port: next(answers))
    assert list(answers) == []


def test_a_broker_that_ends_while_starting_says_why(tmp_path: Path) -> None:
    """The reason comes from the log at once, not after the time-out."""
    broker = running(tmp_path, 2)
    broker.home.log_file.write_text("2026-01-02T03:04:05,678 ERROR Kafka$ fatal\nx.y.ZException: no way\n")
    with pytest.raises(BrokerCrashed, match="no way"):
        broker.wait_until_serving(5.0, sleep=lambda _s: None, serving=lambda _port: False)


def test_a_broker_that_never_answers(tmp_path: Path) -> None:
    """After the time-out the log file is named."""
    clock = iter(range(100))
    with pytest.raises(BrokerSilent, match="doesn't answer on port 20001 after 5 s") as caught:
        running(tmp_path, 99).wait_until_serving(
            5.0, monotonic=lambda: float(next(clock)), sleep=lambda _s: None, serving=lambda _port: False
        )
    assert caught.value.where.endswith("broker.log")


ACTIVE, FENCING = "Becoming the active controller\n", "Fencing broker 1 at epoch 9\n"
PROCESSED = "Processed maybeFenceStaleBroker(61687610) in 300 us\n"


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        (["", ACTIVE, f"{ACTIVE}{PROCESSED}{FENCING}", f"{ACTIVE}{PROCESSED}{FENCING}{PROCESSED}"], True),
        ([f"{ACTIVE}{PROCESSED}{FENCING}"], False),
        ([f"{ACTIVE}{PROCESSED}"], False),
        ([""], False),
    ],
    ids=["a broker was registered", "its end was never written", "none was", "a controller that hangs"],
)
def test_the_end_of_a_killed_brokers_registration_is_waited_for(said: list[str], ended: bool) -> None:
    """As long as it can come, and no longer."""
    clock, log = iter(range(1000)), iter(said)
    newest = [said[-1]]
    assert (
        wait_for_end(
            lambda: next(log, newest[0]), lambda: True, monotonic=lambda: float(next(clock)), sleep=lambda _s: None
        )
        is ended
    )


def test_a_controller_that_ends_is_not_waited_for() -> None:
    """The broker's own start says what is wrong."""
    assert not wait_for_end(lambda: "", lambda: False, monotonic=lambda: 0.0)


def one_answer(answer: bytes) -> int:
    """Serve one connection with these bytes; the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(1024)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def metadata(correlation: int, brokers: int) -> bytes:
    """A metadata answer with its length in front."""
    body = struct.pack(">ii", correlation, brokers) + b"rest"
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("answer", "serves"),
    [
        (metadata(7, 1), True),
        (metadata(7, 0), False),
        (metadata(8, 1), False),
        (b"", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (metadata(7, 1)[:9], False),
    ],
    ids=["a broker", "no broker let in yet", "another's answer", "closed", "no Kafka", "cut short"],
)
def test_who_serves(answer: bytes, serves: bool) -> None:
    """Only a metadata answer that lists a broker counts."""
    assert is_serving(one_answer(answer)) is serves


def test_nobody_serves_on_a_free_port() -> None:
    """A refused connection is a no, not an error."""
    assert not is_serving(free_port())


def test_a_new_broker_is_asked_for_what_it_gets_ready_at_the_first_question() -> None:
    """A producer id and both coordinators; an answer that is none does no harm, nor does nobody there."""
    asked: list[int] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            for _ in range(3):
                with server.accept()[0] as connection:
                    _length, api, _version = struct.unpack_from(">ihh", connection.recv(1024))
                    asked.append(api)
                    connection.sendall(b"\0\0\0\1\0")

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    wake(server.getsockname()[1])
    serving.join(10.0)
    assert asked == [22, 10, 10]
    wake(free_port())


def test_a_port_that_is_taken_is_said() -> None:
    """The message names the port, the remedy how to find who has it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortInUse, match=f"port {port} is in use") as caught:
            demand(port)
    assert "--port" in caught.value.remedy


def test_chosen_ports_stay_clear_of_outgoing_connections() -> None:
    """A port of the system's own range could be given away while the broker is down."""
    first = free_port()
    assert first in CHOICE
    assert free_port(besides=first) != first
