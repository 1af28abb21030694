"""Performers in processes of their own, which a test may kill; the test plays the stages around them.

As a program: `python -m tests.integration.performer_world STAGE BOOTSTRAP APP FOLDER` runs shard 0 of effects, or of
a graph, until it is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from rivergate.adapters.graphs import GraphAgent
from rivergate.adapters.kafka_log import KafkaShardLog
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain import names
from rivergate.domain.clock import SECOND, rfc3339
from rivergate.domain.ids import arguments_digest, proposal_id
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import Headers, Record
from rivergate.effects import JsonLines
from rivergate.effects.attempts import Effects
from rivergate.kernel.performer import Performer
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.runtime.effects_work import EffectsWork

ROOT = Path(__file__).parents[2]
TOPICS = ("actions", "outcomes", "denials", "proposals", "responses", "dead_letters", "otlp_spans", "alarms")


def wall_clock() -> int:
    """Microseconds."""
    return time.time_ns() // 1000


def graph_agent(app: str, folder: Path) -> GraphAgent:
    """The unit tests' graph; its model notes in a file whenever it is really asked."""
    from tests.unit.adapters.graph_world import Alarm, Restart, build, prompt

    from rivergate.adapters.graphs.stand_in import OfflineStandInModel

    class Noting(OfflineStandInModel):
        def _answer(self, messages: Any) -> Any:
            with (folder / "asked").open("a") as f:
                f.write("asked\n")
            return super()._answer(messages)

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return Noting(tools=cast("OfflineStandInModel", super().bind_tools(tools, **kwargs)).tools)

    class AppAlarm(Alarm, topic="{app}.alarms", key="machine"):
        """On a topic of the app."""

    return GraphAgent("triage", build, Noting, consumes=[AppAlarm], proposes=[Restart], prompt=prompt)


def performer(stage: str, bootstrap: str, app: str, folder: Path) -> Performer:
    """The shard's driver, as the runtime puts it together."""
    agent = None if stage == names.EFFECTS else graph_agent(app, folder)
    topics = agent.inputs(app) if agent else [names.topic(app, names.ACTIONS)]
    spec = ShardSpec(app, stage, 0, tuple((t, 0) for t in topics), "c" * 64, f"w{os.getpid()}")
    tools = Tools(
        snapshots=cast("SnapshotStore", None),
        reader=lambda: KafkaReader(bootstrap, f"{app}.replay"),
        encoder=SpanEncoder({"service.name": app}, "0"),
        clock=wall_clock,
        versions={},
    )
    log = KafkaShardLog(bootstrap, spec)
    if agent is None:
        effector = JsonLines(folder / "orders.jsonl", wall_clock)

        def work() -> EffectsWork:
            return EffectsWork(app, Effects(app, {"note": effector}, wall_clock))

        return Performer(spec, log, work, tools, Limits(), recalls=[names.topic(app, names.OUTCOMES)])
    from rivergate.adapters.graphs.work import GraphWork

    return Performer(
        spec,
        log,
        lambda: GraphWork(app, agent),
        tools,
        Limits(),
        replies=agent.replies(app),
        recalls=agent.recalls(app),
    )


class PerformerWorld:
    """Topics of an app of its own, with one partition each; what a test writes and reads."""

    def __init__(self, bootstrap: str, folder: Path, stage: str) -> None:
        self.app = f"t{uuid.uuid4().hex[:10]}"
        self.stage = stage
        self._bootstrap = bootstrap
        self.folder = folder
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True})
        self._processes: list[subprocess.Popen[bytes]] = []
        self._reader = KafkaReader(bootstrap, f"{self.app}.test")
        admin = AdminClient({"bootstrap.servers": bootstrap})
        journal = NewTopic(names.journal_topic(self.app, stage), 1, config={"message.timestamp.type": "LogAppendTime"})
        for future in admin.create_topics([*(NewTopic(f"{self.app}.{t}", 1) for t in TOPICS), journal]).values():
            future.result()

    def start(self) -> subprocess.Popen[bytes]:
        """The performer in a process of its own."""
        command = [sys.executable, "-m", "tests.integration.performer_world"]
        process = subprocess.Popen(
            [*command, self.stage, self._bootstrap, self.app, str(self.folder)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL."""
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def close(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            if process.poll() is None:
                self.kill(process)
        self._reader.close()

    def send(self, topic: str, value: dict[str, Any], key: str = "k", ce_type: str = "") -> None:
        """Write a record and wait until it is durable."""
        headers: Headers = [("ce_type", ce_type.encode())] if ce_type else []
        self._producer.produce(f"{self.app}.{topic}", orjson.dumps(value), key.encode(), 0, headers=headers)
        assert self._producer.flush(10) == 0

    def act(self, n: int) -> str:
        """An action, as the gate writes it."""
        event_id = f"events/0/{n}"
        pid = proposal_id(self.app, "a", event_id, 0)
        value = {
            "proposal_id": pid,
            "kind": "note",
            "arguments": {"n": n},
            "arguments_digest": arguments_digest("note", {"n": n}),
            "event_id": event_id,
            "event": {"topic": "events", "partition": 0, "offset": n},
            "expires_at": rfc3339(wall_clock() + 3600 * SECOND),
        }
        self.send("actions", value, key=f"k{n % 5}", ce_type=names.ACTION_V1)
        return pid

    def records(self, topic: str) -> list[Record]:
        """Committed records of a system topic."""
        return list(self._reader.scan(f"{self.app}.{topic}", 0))

    def values(self, topic: str) -> list[dict[str, Any]]:
        """Their JSON values."""
        return [orjson.loads(r.value or b"") for r in self.records(topic)]

    def finals(self) -> list[str]:
        """Ids of actions with a final outcome."""
        return [v["proposal_id"] for v in self.values("outcomes") if v.get("status") == "done"]

    def journal(self) -> list[CommitRecord]:
        """The shard's commit records."""
        return [CommitRecord.from_json(r.value or b"") for r in self.records(f"journal.{self.stage}")]


def eventually(reached: Callable[[], bool], timeout_s: float = 40.0) -> None:
    """Ask again until it holds; each question waits for the broker."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, "never came"


def main() -> None:
    """Run a shard until killed."""
    stage, bootstrap, app, folder = sys.argv[1:]
    driver = performer(stage, bootstrap, app, Path(folder))
    driver.open()
    while True:
        driver.step()


if __name__ == "__main__":
    main()
