"""From a dead letter to its redrive: listed, shown, put back once the cause is mended, and handled once."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.checker import check
from tests.integration import bad_world
from tests.integration.bad_world import STAGE, World, until
from typer.testing import CliRunner

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_redrive import KafkaRedriver
from rivergate.cli.main import app as cli
from rivergate.domain.dead_letter import DeadLetter
from rivergate.domain.errors import BadInput, Fenced, RivergateError, UnknownTopic
from rivergate.domain.record import Record
from rivergate.runtime.kafka import LocalKafka
from rivergate.topics import Catalogue, apply_topics

GIVEN = {"ce_source": b"/shop", "ce_id": b"7"}


def dlq(world: World, *words: str, stdin: bytes = b"") -> str:
    """What `rivergate dlq` prints. Raises what it ends with."""
    where = ["--app", world.name, "--bootstrap", world.bootstrap]
    result = CliRunner().invoke(cli, ["dlq", *words, *where], input=stdin, catch_exceptions=True)
    if isinstance(result.exception, RivergateError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(world: World, *words: str) -> list[dict[str, Any]]:
    """Dead letters as JSON."""
    found: list[dict[str, Any]] = json.loads(dlq(world, "list", "--json", *words))
    return found


@pytest.mark.slow
def test_mended_and_redriven_records_are_handled_once(kafka: LocalKafka, tmp_path: Path) -> None:
    """An event that the agent failed at is redriven after a restart with mended code: one proposal under its old id, one
    deed, and nothing for the agent that had handled it. A malformed one stays so until it gets another value.
    """
    world = World(kafka.bootstrap, tmp_path, "witnessed")
    with world.running():
        world.send([{"n": 0}, {"n": 1, "fail": True}])
        world.send([{"n": 2, "fail": True}], headers=GIVEN)
        assert until(lambda: world.done() == [0, 100, 101, 102])
        assert until(lambda: len(listed(world)) == 2)
    second, first = listed(world)
    assert (first["topic"], first["partition"], first["offset"]) == (world.events, 0, 1)
    assert (first["stage"], first["redriven"]) == (STAGE, None)
    assert "told to fail at 1" in first["reason"]
    assert [first["event_id"], second["event_id"]] == [f"{world.events}/0/1", "/shop#7"]
    assert listed(world, "--stage", "agent-witness") == listed(world, "--topic", "elsewhere") == []
    assert listed(world, "--limit", "1", "--since", "1h") == [second]
    assert '"fail": true' in dlq(world, "show", first["id"])

    world.ref = replace(world.ref, reference=f"{bad_world.__name__}:mended")
    with world.running():
        world.send([b"{no json"])
        assert until(lambda: len(listed(world)) == 4)  # neither agent can read it
        assert dlq(world, "redrive", first["id"], "--yes") == f"put back: 1 on {world.events}\n"
        with pytest.raises(BadInput, match=f"dead letter {first['id']} was redriven already at ") as caught:
            dlq(world, "redrive", second["id"], first["id"], "--yes")
        assert "--again" in caught.value.remedy
        assert until(lambda: world.done() == [0, 1, 100, 101, 102])
        malformed = next(x for x in listed(world, "--stage", STAGE) if x["offset"] == 3)
        corrected = b'{"n": 3}'
        dlq(world, "redrive", malformed["id"], "--yes", "--value", "-", stdin=corrected)
        assert until(lambda: world.done() == [0, 1, 3, 100, 101, 102])
        assert dlq(world, "redrive", "--all", "--yes") == f"put back: 2 on {world.events}\n"
        assert until(lambda: world.done() == [0, 1, 2, 3, 100, 101, 102])
        assert until(lambda: len(listed(world)) == 5)  # what the witness couldn't read, it can't read now
        again = listed(world)[0]
        assert (again["stage"], again["event_id"]) == ("agent-witness", f"{world.events}/0/3")
        assert f"stood first at {world.events}/0/3" in dlq(world, "show", again["id"])
        dlq(world, "redrive", again["id"], "--yes", "--value", "-", stdin=corrected)
        assert until(lambda: world.done() == [0, 1, 2, 3, 100, 101, 102, 103])
        assert dlq(world, "redrive", "--all", "--yes") == "nothing is left to be redriven\n"
        assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
    proposals = world.values("proposals")
    of_counter = {p["arguments"]["n"]: p["event_id"] for p in proposals if p["agent"] == "counter"}
    expected = {0: 0, 1: 1, 3: 3}
    assert of_counter == {n: f"{world.events}/0/{at}" for n, at in expected.items()} | {2: "/shop#7"}
    assert len(proposals) == 8


def of(world: World, topic: str, value: bytes) -> DeadLetter:
    """A dead letter of the world's agent."""
    headers = [("rg_origin", f"{topic}/0/1".encode()), ("rg_commit", f"{STAGE}/0/4/1".encode())]
    found = DeadLetter.of(world.name, Record(f"{world.name}.dead_letters", 0, 3, b"k", value, headers))
    assert found is not None
    return found


@pytest.mark.slow
def test_of_two_redrives_at_once_one_puts_back_and_a_failed_one_puts_back_nothing(
    kafka: LocalKafka, tmp_path: Path
) -> None:
    """The later fences the earlier; a record that no longer fits and a topic that is gone are named."""
    world = World(kafka.bootstrap, tmp_path)
    admin = KafkaAdmin(kafka.bootstrap)
    apply_topics(admin, Catalogue.for_app(world.name, 1, {STAGE: 1}, [bad_world.FILES / "topics"])).demand()
    admin.close()
    small, large = of(world, world.events, b"{}"), of(world, world.events, os.urandom(1_048_480))

    def redriver() -> KafkaRedriver:
        return KafkaRedriver(kafka.bootstrap, world.name)

    with pytest.raises(BadInput, match=r"dead letter 0/3: .* above the limit of"), redriver() as failing:
        failing.put_back([small, large], "ada", 1)
    with pytest.raises(UnknownTopic, match="no partition 0 of topic 'gone'"), redriver() as failing:
        failing.put_back([small, of(world, "gone", b"{}")], "ada", 2)
    with redriver() as earlier:
        with redriver() as later:
            later.put_back([small], "ada", 3)
        with pytest.raises(Fenced, match="somebody else redrives"):
            earlier.put_back([small], "bob", 4)
    reader = KafkaReader(kafka.bootstrap, "test")
    [record] = reader.scan(world.events, 0)
    reader.close()
    assert (record.value, record.event_id) == (b"{}", f"{world.events}/0/1")
    assert [(v["by"], v["dead_letter"], v["event_id"]) for v in world.values("redrives")] == [
        ("ada", "0/3", record.event_id)
    ]
