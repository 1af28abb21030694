"""An app under load that is moved to more partitions: its feed, the copy as a process, and what both apps have done."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import KafkaError, Message, Producer
from tests.integration.rekey_app.app import app
from typer.testing import CliRunner

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_status import read_statuses
from rivergate.cli.main import app as cli
from rivergate.domain import names
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.errors import UnknownTopic
from rivergate.domain.journal import CommitRecord
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import Record
from rivergate.runtime.paths import DataDir
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef
from rivergate.runtime.supervision import commands

REFERENCE = "tests.integration.rekey_app.app:app"
OLD, NEW = 2, 4
LINES = 12
STAGES = ["agent-counter", "agent-listener"]
RUN = "import sys; sys.argv[0] = 'rivergate'; from rivergate.cli.main import run; run()"


class Feed:
    """Numbers of each line in order, by key, some with an id of their own; and what is known of each a little later."""

    def __init__(self, bootstrap: str, app: str, after: Feed | None = None) -> None:
        self.app = app
        self.sent: list[tuple[str, int]] = []
        self._next = dict(after._next) if after else dict.fromkeys((f"line-{i}" for i in range(LINES)), 0)
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})

    def send(self, count: int) -> None:
        """So many of each line, and a label of each, on its event's partition."""
        for line in self._next:
            for _ in range(count):
                self._send(line, self._next[line])
                self._next[line] += 1
        assert self._producer.flush(20) == 0

    def _send(self, line: str, n: int) -> None:
        def label(error: KafkaError | None, message: Message) -> None:
            assert error is None
            at = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            event_id = f"/machines#{line}-{n}" if headers else "/".join(map(str, at.values()))
            value = orjson.dumps({"event_id": event_id, "event": at, "value": True, "source": "topic"})
            told = event_headers("/truth", names.LABEL_V1, f"{line}-{n}", time.time_ns() // 1000)
            self._producer.produce(f"{self.app}.labels", value, partition=message.partition() or 0, headers=dict(told))

        headers = event_headers("/machines", "number", f"{line}-{n}", time.time_ns() // 1000) if n % 2 else []
        value = orjson.dumps({"line": line, "n": n})
        self._producer.produce(
            f"{self.app}-numbers", value, line.encode(), headers=dict(headers), on_delivery=label,
            partition=partition_of(line.encode(), OLD if self.app.endswith("old") else NEW),
        )  # fmt: skip
        self.sent.append((line, n))
        self._producer.poll(0)


class Move:
    """Both apps on the shared broker."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        name = f"t{uuid.uuid4().hex[:8]}"
        self.old, self.new = f"{name}-old", f"{name}-new"
        self._copies: list[subprocess.Popen[bytes]] = []

    def run(self, name: str, partitions: int) -> Any:
        """One of them in processes, until the context ends."""
        ref = AppRef(REFERENCE, name, partitions)
        return running(RunOptions(ref, self.folder / name, bootstrap=self.bootstrap, host="local", spares=0))

    @property
    def words(self) -> list[str]:
        """The command."""
        given = ["--of", self.old, "--app", self.new, "--partitions", str(NEW), "--bootstrap", self.bootstrap]
        return ["rekey", REFERENCE, *given]

    def copy(self) -> subprocess.Popen[bytes]:
        """Start the copy, as a process of its own."""
        log = (self.folder / f"copy-{len(self._copies)}.log").open("wb")
        started = subprocess.Popen([sys.executable, "-c", RUN, *self.words], stdout=log, stderr=log)
        self._copies.append(started)
        return started

    def ask(self, *more: str) -> dict[str, Any]:
        """What the command says in JSON. Raises what it ends with."""
        result = CliRunner().invoke(cli, [*self.words, *more, "--json"])
        if result.exception is not None:
            raise result.exception
        said: dict[str, Any] = orjson.loads(result.stdout)
        return said

    def close(self) -> None:
        """End copies that are left."""
        for copy in self._copies:
            copy.kill()
            copy.wait(20)

    def records(self, topic: str) -> list[Record]:
        """All committed records of a topic, partition by partition."""
        reader = KafkaReader(self.bootstrap, f"{self.old}.test")
        try:
            return [r for tp in reader.partitions(topic) for r in reader.scan(*tp)]
        finally:
            reader.close()

    def copied(self) -> int:
        """How many records the newest note counts; -1 while there is none."""
        try:
            notes = self.records(f"{self.new}.rekey")
        except UnknownTopic:
            return -1
        return (notes[-1].json_object or {})["records"] if notes else -1

    def journal(self, name: str, stage: str) -> list[CommitRecord]:
        """Commit records of all shards."""
        return [CommitRecord.from_json(r.value or b"") for r in self.records(f"{name}.journal.{stage}")]

    def has_read_all(self, name: str) -> bool:
        """Events, labels and messages."""
        for agent in app().agents:
            stage = names.agent_stage(agent.name)
            at = {(r.topic, r.partition): r.end for c in self.journal(name, stage) for r in c.ranges if not c.began}
            topics = {e.topic_in(name) for e in agent.consumes} | {t for t, _ in at}
            ends = {(r.topic, r.partition): r.offset + 1 for t in topics for r in self.records(t)}
            if any(at.get(tp, 0) < end for tp, end in ends.items()):
                return False
        return True

    def proposals(self, name: str, kind: str) -> list[dict[str, Any]]:
        """What was proposed, in the order of each partition."""
        found = [r.json_object or {} for r in self.records(f"{name}.proposals")]
        return [v for v in found if v["kind"] == kind]

    def park_old(self) -> None:
        """All agents' shards of the old app, as an operator does."""
        data = DataDir(self.folder / self.old)
        for stage in STAGES:
            for shard in range(OLD):
                commands.park(data, stage, shard, "parked for the move")

    def resume_old(self) -> None:
        """All of them again."""
        for stage in STAGES:
            for shard in range(OLD):
                commands.unpark(DataDir(self.folder / self.old), stage, shard)

    def old_is_parked(self) -> bool:
        """Whether they have drained."""
        found = read_statuses(self.bootstrap, self.old)
        return all(found[stage, n].state == "parked" for stage in STAGES for n in range(OLD))


def until(holds: Callable[[], bool], *sessions: Session, timeout_s: float = 60.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        for session in sessions:
            session.demand_alive()
        assert time.monotonic() < deadline


@contextmanager
def feeding(feed: Feed) -> Iterator[Callable[[], None]]:
    """Send a few of each line again and again, until the end, or until what is given is called."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.25):
            feed.send(1)

    thread = threading.Thread(target=run)

    def pause() -> None:
        stop.set()
        thread.join(20)

    thread.start()
    try:
        yield pause
    finally:
        pause()
