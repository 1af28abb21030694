"""Decisions of a finished demo are made again: identical, and otherwise once a constant has changed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from tests.acceptance.command import Command, Start
from tests.acceptance.holding import demo, report_of

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.demos.shuttle.app import make_app
from rivergate.domain.errors import ReplayMismatch
from rivergate.runtime.kafka import LocalKafka
from rivergate.testing import demand_decides_as_recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = 1500
ACTIONS = 100
END_S = 110.0
CHANGED = "tests.acceptance.changed_shuttle:app"


def records(kafka: LocalKafka, topic: str, partitions: int = 4) -> list[dict[str, Any]]:
    """Values of a topic."""
    reader = KafkaReader(kafka.bootstrap, f"{topic}.test")
    try:
        return [orjson.loads(r.value or b"") for p in range(partitions) for r in reader.scan(topic, p)]
    finally:
        reader.close()


def found(command: Command, code: int = 0) -> dict[str, Any]:
    """The one JSON object on standard output."""
    assert command.wait(END_S) == code, command.err
    answer: dict[str, Any] = json.loads(command.out)
    return answer


def test_a_finished_demo_decides_again(start: Start, kafka: LocalKafka, app: str, tmp_path: Path) -> None:
    """Actions by the hundred, an event, a shard; the state behind a decision; a changed constant; a recording."""
    data = tmp_path / "data"
    played = start(*demo(app, data, "local", EVENTS, "--bootstrap", kafka.bootstrap))
    assert played.wait(END_S) == 0, played.err
    report_of(played)
    where = ["--data-dir", str(data), "--bootstrap", kafka.bootstrap]
    ends_before = _ends(kafka, app)

    actions = sorted(a["proposal_id"] for a in records(kafka, f"{app}.actions"))
    chosen = Random(5).sample(actions, min(ACTIONS, len(actions)))
    again = found(start("replay", *where, "--json", *(x for a in chosen for x in ("--action", a))))
    assert again["identical"] is True
    assert [f["id"] for f in again["asked"]] == chosen
    assert all({c[0] for c in f["commits"]} == {"agent-watcher", "gate"} for f in again["asked"])
    assert all("effects" in "".join(f["notes"]) for f in again["asked"])
    assert sum(p["gone"] for p in again["parts"]) == 0
    assert sum(p["outputs"] for p in again["parts"]) >= len(chosen)

    proposal = next(p for p in records(kafka, f"{app}.proposals") if p["proposal_id"] == chosen[0])
    of_event = found(start("replay", *where, "--json", "--event", proposal["event_id"]))
    assert of_event["asked"][0]["event"] == list(proposal["event"].values())
    assert of_event["parts"][0]["told"][0]["recorded"] == of_event["parts"][0]["told"][0]["again"]

    event = _event_of(kafka, proposal)
    state = found(start("state", "watcher", *where, "--json", "--at", chosen[0], "--predict", event))
    [predicted] = state["prediction"]["proposals"]
    assert {k: predicted[k] for k in ("kind", "arguments", "confidence", "reasons")} == {
        k: proposal[k] for k in ("kind", "arguments", "confidence", "reasons")
    }

    recording = tmp_path / "watcher-0.rec"
    found(start("replay", *where, "--json", "--shard", "agent-watcher/0", "--save", str(recording)))
    assert demand_decides_as_recorded(make_app(), recording) > 0

    changed = found(start("replay", CHANGED, "--app", app, *where, "--json", "--check"), code=1)
    difference = next(p["difference"] for p in changed["parts"] if p["difference"])
    assert difference["fields"][0]["field"] == "value.arguments.minutes"
    _demand_red(recording)
    assert _ends(kafka, app) == ends_before, "a replay writes nothing"

    healthy = start("doctor", *where, "--json")
    assert healthy.wait(END_S) == 0, healthy.err
    replays = [f for f in json.loads(healthy.out) if f["what"].startswith("replay")]
    assert len(replays) == 5
    assert all(f["ok"] and "from commit 0" in f["found"] for f in replays), replays


def _demand_red(recording: Path) -> None:
    """The kit turns red on the changed code, in this process, and the constant is put back."""
    from tests.acceptance.changed_shuttle import app as changed

    from rivergate.demos.shuttle import watcher

    before = watcher.SURE
    try:
        with pytest.raises(ReplayMismatch, match="minutes was 10, is"):
            demand_decides_as_recorded(changed(), recording)
    finally:
        watcher.SURE = before


def _event_of(kafka: LocalKafka, proposal: dict[str, Any]) -> str:
    place = proposal["event"]
    reader = KafkaReader(kafka.bootstrap, "event.test")
    try:
        record = next(iter(reader.read(place["topic"], place["partition"], place["offset"], place["offset"] + 1)))
    finally:
        reader.close()
    return (record.value or b"").decode()


def _ends(kafka: LocalKafka, app: str) -> dict[tuple[str, int], int]:
    reader = KafkaReader(kafka.bootstrap, f"{app}.ends")
    names = ("proposals", "actions", "denials", "labels", "journal.agent-watcher", "otlp_spans", "shard_status")
    try:
        partitions = [tp for n in names for tp in reader.partitions(f"{app}.{n}")]
        return {tp: reader.watermarks(tp)[1] for tp in partitions}
    finally:
        reader.close()
