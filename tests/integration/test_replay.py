"""Replays of one shard on a real broker, where markers and aborted attempts stand between the records."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.integration.transactor_world import Copy, Counter, Crash, Numbered, World, finish

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import SECOND
from rivergate.domain.signing import VerifyingKey
from rivergate.kernel.lasting import lasting
from rivergate.kernel.past import Past
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits
from rivergate.kernel.written import Written
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.replay.reach_answer import retention_of
from rivergate.runtime.spec import AppRef, ProcessSpec

DAY = 86_400 * SECOND


class Changed(Counter):
    """Sees one event more than there was."""

    name = Counter.name

    def on_event(self, event: Numbered, ctx: Context) -> None:
        ctx.publish(Copy(n=event.n, seen=self.seen + 1 + (event.n == 17), luck=ctx.random.random()))
        self.seen += 1
        if event.n % 5 == 0:
            super().on_event(event, ctx)


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> World:
    """A shard that died in mid-commit, was taken over, and drained."""
    world = World(kafka.bootstrap, tmp_path)
    world.send({"n": n, "fail": n == 9} for n in range(40))
    commits = 0

    def die(step: str) -> None:
        nonlocal commits
        commits += step == "commit"
        if step == "commit" and commits == 3:
            raise Crash

    first = world.transactor("first", hook=die)
    first.open()
    with pytest.raises(Crash):
        finish(first)
    second = world.transactor("second", limits=Limits(batch=7, wait_s=0.3, replay_s=0.0, snapshot_share=1e9))
    second.open()
    finish(second)
    second.drain()
    second.close()
    first.close()
    return world


def replayed(world: World, wanted: list[int], agent: type[Agent] = Counter) -> ReplayedPart:
    """These commits again, by the public half of the key."""
    spec = ShardSpec(world.app, world.stage, 0, ((world.events, 0),), "c" * 64, "replay")
    store = SnapshotStore(FsspecBlobs(str(world.folder / "snapshots")), spec, VerifyingKey(world.key.public))
    inputs, outputs = (KafkaReader(world.bootstrap, f"{world.app}.{n}") for n in ("inputs", "outputs"))
    try:
        past = Past(spec, inputs, lambda: AgentFold(world.app, agent), store)
        return replay_commits(past, Written(spec, outputs), wanted)
    finally:
        inputs.close()
        outputs.close()


def test_every_commit_and_output_comes_out_identical(world: World) -> None:
    """Dead letters, copies and proposals of two owners; nothing of the aborted attempt is taken for an output."""
    journal = world.journal()
    found = replayed(world, [c.seq for c in journal])
    assert found.difference is None
    assert (found.commits, found.gone) == (len(journal), 0)
    assert found.outputs == sum(sum(c.outputs.values()) for c in journal) == 39 + 8 + 1
    assert found.told[-1].again == journal[-1].digest
    assert len({c.worker for c in journal}) == 2
    late = replayed(world, [journal[-2].seq])
    assert late.difference is None
    assert late.start is not None
    assert late.folded < len(journal) - 1


def test_a_changed_agent_differs_where_it_first_decides_otherwise(world: World) -> None:
    """The record that stands on the topic is named."""
    difference = replayed(world, [c.seq for c in world.journal()], Changed).difference
    assert difference is not None
    assert difference.place.startswith(f"{world.copies}/0/") or difference.what.startswith("output")
    assert difference.fields


def test_what_is_about_to_go_is_seen_in_time(kafka: LocalKafka) -> None:
    """By the stamps of the records on the broker and the topic's own retention."""
    topic = f"t{uuid.uuid4().hex[:10]}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    config = {"retention.ms": str(7 * DAY // 1000)}
    for made in admin.create_topics([NewTopic(topic, 1, config=config)]).values():
        made.result()
    now_ms = int(time.time() * 1000)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for days in (6.5, 3.5, 0.5):
        producer.produce(topic, b"x", partition=0, timestamp=now_ms - int(days * DAY / 1000))
    assert producer.flush(10) == 0
    spec = ProcessSpec("reach", "", "reach", AppRef("a:b", "a", 1), kafka.bootstrap, ".")
    kept = retention_of(spec, [topic])
    assert kept == {topic: 7 * DAY}
    reader = KafkaReader(kafka.bootstrap, f"{topic}.test")
    try:
        shares = [lasting(reader, {(topic, 0): at}, kept, now_ms * 1000) for at in range(4)]
    finally:
        reader.close()
    assert shares[3] is None, "nobody has written it yet"
    assert [s.share if s else None for s in shares[:3]] == pytest.approx([0.5 / 7, 3.5 / 7, 6.5 / 7], abs=0.01)
