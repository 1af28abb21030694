"""Other code is deployed on a running app, and an app that was scaled is started again."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from tests.acceptance.command import Command, Start, state_of, until
from tests.checker.reading import TopicsReader

from rivergate.runtime.kafka import LocalKafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STAGE = "agent-counter"
KEYS, RATE_S = 8, 0.02
START_S, CHANGE_S, END_S = 60.0, 60.0, 30.0
ENOUGH = 60
UNREADING = """
    def __setstate__(self, state):
        if state["counts"]:
            raise ValueError("these aren't the fields that I know")
        self.__dict__.update(state)
"""


class Stream(threading.Thread):
    """Ticks, one every `RATE_S` seconds until `end`, each with a number of its own."""

    def __init__(self, bootstrap: str, app: str) -> None:
        super().__init__(daemon=True)
        settings = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True}
        self._producer = Producer(settings)
        self._topic = f"{app}-ticks"
        self._ended = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send."""
        while not self._ended.wait(RATE_S):
            key = f"key-{self.sent % KEYS}"
            self._producer.produce(self._topic, orjson.dumps({"key": key, "n": self.sent}), key.encode())
            self._producer.poll(0)
            self.sent += 1

    def end(self) -> None:
        """Send no more, and see that the broker has all of it."""
        self._ended.set()
        if self.is_alive():
            self.join()
        assert self._producer.flush(10.0) == 0


class Deployed:
    """The app in a folder where its code can be changed."""

    def __init__(self, folder: Path, kafka: LocalKafka, app: str, start: Start) -> None:
        self.code = folder / "deployed" / "agent.py"
        self.data = folder / "data"
        self.where = ("--app", app, "--data-dir", str(self.data))
        self._kafka, self._app, self._start = kafka, app, start
        shutil.copytree(Path(__file__).parent / "deployed", self.code.parent)

    def run(self, *more: str) -> Command:
        """Run it, in processes if nothing is said; it is ready when this returns."""
        broker = ("--bootstrap", self._kafka.bootstrap, "--host", "local", "--review-port", "0")
        command = self._start("run", "deployed.app:app", *self.where, *broker, *more)
        until(lambda: "Ctrl-C ends it" in command.err, START_S, command)
        return command

    def ask(self, code: int, *arguments: str) -> str:
        """What a command about the running app says, which has to end with this code."""
        command = self._start(*arguments, *self.where)
        assert command.wait(CHANGE_S) == code, command.out + command.err
        return command.out + command.err

    def counted(self) -> list[dict[str, Any]]:
        """What the agent has published so far, in the order of the log."""
        with TopicsReader(self._kafka.bootstrap) as reader:
            topic = f"{self._app}-counts"
            return [orjson.loads(x.value or b"") | {"at": x.partition} for x in reader.read([topic])[topic]]

    def commits(self) -> dict[int, list[dict[str, Any]]]:
        """Commit records of each of the agent's shards."""
        found = defaultdict(list)
        with TopicsReader(self._kafka.bootstrap) as reader:
            journal = f"{self._app}.journal.{STAGE}"
            for line in reader.read([journal])[journal]:
                found[line.partition].append(orjson.loads(line.value or b""))
        return found

    def workers(self) -> int:
        """Processes of the agent that have shards."""
        return sum(p["stage"] == STAGE and p["has_shards"] for p in state_of(self.data)["processes"])


@pytest.fixture
def deployed(start: Start, kafka: LocalKafka, app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Not running yet; its processes find its code."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return Deployed(tmp_path, kafka, app, start)


@pytest.fixture
def stream(kafka: LocalKafka, app: str) -> Iterator[Stream]:
    """Not started yet; ended with the test."""
    made = Stream(kafka.bootstrap, app)
    yield made
    made.end()


@pytest.mark.parametrize("host", ["local", "ray"])
def test_other_code_goes_on_where_the_old_stood(
    deployed: Deployed, stream: Stream, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First code that can't be loaded, which changes nothing, then some that can: no tick is lost or counted twice, and
    each shard goes over to the new code once, from the snapshot that its drain has left, without anybody accepting it.
    Code that can't read the old state comes last: the first shard that finds it out goes back.
    """
    command = deployed.run("--workers", "2", "--host", host)
    stream.start()
    until(lambda: len(deployed.counted()) > ENOUGH, START_S, command)

    good = deployed.code.read_text()
    deployed.code.write_text(good + "\nimport not_installed\n")
    assert "No module named 'not_installed'" in deployed.ask(1, "restart", STAGE)
    then = len(deployed.counted())
    until(lambda: len(deployed.counted()) > then + ENOUGH, START_S, command)
    assert {c["code"] for c in deployed.counted()} == {1}

    deployed.code.write_text(good.replace("CODE = 1", "CODE = 2"))
    monkeypatch.setenv("DEPLOYED_MORE", "10")
    deployed.ask(0, "restart", STAGE)
    deployed.code.write_text(good.replace("CODE = 1", "CODE = 3") + UNREADING)
    assert "nothing else moves" in deployed.ask(1, "restart", STAGE)
    then = len(deployed.counted())
    until(lambda: len(deployed.counted()) > then + ENOUGH, START_S, command)
    stream.end()
    until(lambda: len(deployed.counted()) >= stream.sent, END_S, command)

    found = deployed.counted()
    assert sorted(c["n"] for c in found) == list(range(stream.sent))
    for key in {c["key"] for c in found}:
        of_key = [c for c in found if c["key"] == key]
        assert [c["count"] for c in of_key] == list(range(1, len(of_key) + 1)), "the state went over"
        assert [c["code"] for c in of_key] == sorted(c["code"] for c in of_key), "and nothing went back"
    assert {c["code"] for c in found} == {1, 12}, "the new code, and the new value of its variable"
    for shard, commits in deployed.commits().items():
        codes = [c["code"] for c in commits]
        assert sum(a != b for a, b in pairwise(codes)) == 1, f"shard {shard}"
        assert not any(c.get("accepted_code") for c in commits)
        last_of_old = commits[codes.index(codes[-1]) - 1]
        assert last_of_old["snapshot"]["seq"] == last_of_old["seq"], "its drain has left a snapshot of itself"


def test_a_scale_outlives_the_app_until_somebody_says_workers(deployed: Deployed) -> None:
    """What can't be is refused with the remedy."""
    assert "doesn't run" in deployed.ask(1, "scale", f"{STAGE}=2")
    command = deployed.run()
    assert deployed.workers() == 1
    for wanted, why in {
        f"{STAGE}=3": "ask for 1 to 2",
        f"{STAGE}=0": "ask for 1 to 2",
        "gate=2": "has one worker",
        "effects=2": "no stage effects runs here",
        "counter=2": f"name one of {STAGE}, gate",
        STAGE: "write STAGE=N",
    }.items():
        assert why in deployed.ask(1, "scale", wanted)
    deployed.ask(0, "scale", f"{STAGE}=2")
    until(lambda: deployed.workers() == 2, END_S, command)
    _end(command)
    command = deployed.run()
    assert deployed.workers() == 2
    _end(command)
    command = deployed.run("--workers", "1")
    assert deployed.workers() == 1
    _end(command)
    deployed.run()
    assert deployed.workers() == 1


def _end(command: Command) -> None:
    command.interrupt()
    assert command.wait(END_S) == 0, command.err
