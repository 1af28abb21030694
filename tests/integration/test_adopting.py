"""What one app has learnt another one begins with: out of a snapshot, and out of a pickle."""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.checker import check
from tests.integration.history_app.app import before
from tests.integration.test_history import LATE, PARTITIONS, ROOT, Place, until

from rivergate.adapters.audit_reader import SqliteAuditReader
from rivergate.agents.fold import AgentFold
from rivergate.audit.explain import beginning, evidence, explain
from rivergate.audit.explanation import ModelPart
from rivergate.cli.run import adoptions
from rivergate.demos.shuttle.telemetry import ShuttleTelemetry
from rivergate.demos.shuttle.watcher import ALARM, ShuttleWatcher
from rivergate.domain.errors import ShardParked
from rivergate.domain.journal import Adopted
from rivergate.runtime import importing
from rivergate.runtime.importing import OtherSnapshot, import_file, import_snapshot
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.paths import DataDir
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TAUGHT, NEWS = 600, 60
WATCHER, COLLEAGUE = "agent-watcher", "agent-colleague"


@pytest.fixture
def old(kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An app that has learnt, and stands still. It keeps its snapshots outside its data directory."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    found = Place(kafka.bootstrap, tmp_path / "old")
    with found.run("before", snapshots=str(tmp_path / "store")) as session:
        found.feed(TAUGHT)
        until(session, lambda: found.has_read_all(WATCHER))
    return found


@pytest.fixture
def young(kafka: LocalKafka, tmp_path: Path) -> Place:
    """An app that was never started."""
    return Place(kafka.bootstrap, tmp_path / "young")


def model_of(place: Place, shard: int) -> Any:
    """What the watcher of a shard knows at last."""
    with RecordedApp(place.spec()) as recorded:
        past = recorded.past(WATCHER, shard)
        past.go_to(max(c.seq for c in place.journal(WATCHER) if c.shard == shard) + 1)
        assert isinstance(past.fold, AgentFold)
        assert isinstance(past.fold.state.agent, ShuttleWatcher)
        return past.fold.state.agent.model


def said(place: Place, agent: str) -> dict[int, float]:
    """The confidence of what it proposed about the first readings, before any label of theirs came."""
    found = {p["event"]["offset"] * 2 + p["event"]["partition"]: p["confidence"] for p in place.proposals(agent)}
    return {n: confidence for n, confidence in found.items() if n < LATE}


def alarms(model: Any) -> dict[int, float]:
    """The probability of trouble in those of the first readings in which a model sees it."""
    readings = itertools.islice(ShuttleTelemetry(), LATE)
    trouble = {n: model.predict_proba_one(sensors)[True] for n, (sensors, _) in enumerate(readings)}
    return {n: p for n, p in trouble.items() if p > ALARM}


def told_of(place: Place, agent: str) -> ModelPart | None:
    """The model that an explanation of its first proposal names; None while the audit store doesn't know of it."""
    proposal_id = place.proposals(agent)[0]["proposal_id"]
    reader = SqliteAuditReader(DataDir(place.folder).audit_db)
    try:
        records = evidence(reader, proposal_id)
        found = explain(proposal_id, records, begun=beginning(reader, records)).agent
    finally:
        reader.close()
    return found.model if found else None


def kill(session: Session) -> None:
    """Every process of the agents."""
    assert session.running is not None
    for process in session.running.processes:
        if process.stage in (WATCHER, COLLEAGUE):
            os.kill(process.pid, signal.SIGKILL)


def test_it_begins_with_what_the_other_has_learnt(old: Place, young: Place, tmp_path: Path) -> None:
    """The watcher with all of the other's shard 1, the colleague with its model from a file: both first say what that
    would have said. Whoever takes over, with another option or none, and a replay from nothing, come to the same.
    """
    model = model_of(old, 1)
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(model))
    here = importing.Place(young.name, DataDir(young.folder), str(tmp_path / "store"))
    theirs = DataDir(old.folder)
    snapshot = OtherSnapshot(f"{old.name}/{WATCHER}/1", theirs.snapshots, theirs.keys / "snapshots.pub")
    whole = import_snapshot(here, snapshot, "ada", "it watches the same machines")
    part = import_file(here, file, "bob", "from the notebook")
    models = {WATCHER: whole.digest, COLLEAGUE: part.digest}

    with young.run("after", models=models) as session:
        young.feed(LATE)
        until(session, lambda: all(young.has_read_all(s) for s in models))
        kill(session)
        young.feed(NEWS)
        until(session, lambda: all(young.has_read_all(s) for s in models))
    with young.run("after", models={WATCHER: part.digest}) as session:
        young.feed(NEWS)
        until(session, lambda: all(young.has_read_all(s) for s in models))
        until(session, lambda: told_of(young, "colleague") is not None)

    assert told_of(young, "watcher") == ModelPart(digest=whole.digest, who="ada", why="it watches the same machines")
    assert told_of(young, "colleague") == ModelPart(digest=part.digest, who="bob", why="from the notebook")
    assert said(young, "watcher") == said(young, "colleague") == alarms(model) != {}
    for stage, digest, who, why in (
        (WATCHER, whole.digest, "ada", "it watches the same machines"),
        (COLLEAGUE, part.digest, "bob", "from the notebook"),
    ):
        named = [(c.shard, c.seq, c.adopted) for c in young.journal(stage) if c.adopted]
        assert named == [(shard, 0, Adopted(digest, who, why)) for shard in range(PARTITIONS)]

    for stage in models:
        shutil.rmtree(Path(DataDir(young.folder).snapshots) / young.name / stage)
    shards = [[stage, shard, 0, None] for stage in models for shard in range(PARTITIONS)]
    again = ask_own_process(
        young.spec(), {"what": "replay", "actions": [], "events": [], "shards": shards, "all": False}
    )
    assert again["identical"] is True
    assert [p["start"] for p in again["parts"]] == [None] * len(shards)
    assert sum(p["commits"] for p in again["parts"]) == sum(len(young.journal(s)) for s in models)
    ask = {"what": "state", "agent": "watcher", "shard": 0, "at": "", "predict": None, "event_class": None}
    then = ask_own_process(young.spec(), ask)
    assert then["adopted"] == {"digest": whole.digest, "who": "ada", "why": "it watches the same machines"}
    taught = ask_own_process(old.spec(), ask | {"shard": 1})
    assert taught["adopted"] is None
    seen = then["attributes"]["figures"]["figures"]["labels"]
    assert seen == taught["attributes"]["figures"]["figures"]["labels"] + NEWS
    assert check(young.bootstrap, young.name, settled=False) == []


def test_a_model_that_cant_be_adopted_parks_its_shards_and_loses_nothing(
    old: Place, young: Place, tmp_path: Path
) -> None:
    """One that the agent can't take over, and one that was altered; another start with the right one begins as ever."""
    here = importing.Place(young.name, DataDir(young.folder))
    file = tmp_path / "model.pkl"
    model = model_of(old, 0)
    file.write_bytes(pickle.dumps(model["StandardScaler"]))
    wrong = import_file(here, file, "bob", "by mistake").digest
    file.write_bytes(pickle.dumps(model))
    right = import_file(here, file, "bob", "from the notebook").digest
    stored = Path(here.data.snapshots) / young.name / "models" / right
    content = stored.read_bytes()
    stored.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    for digest, what, remedy in (
        (wrong, r"nothing of agent-watcher runs: .* can take over .*LogisticRegression .* given .*Scaler", "def adopt"),
        (right, "nothing of agent-watcher runs: .* don't hash to its name", "backup"),
    ):
        with pytest.raises(ShardParked, match=what) as refused, young.run("before", models={WATCHER: digest}):
            pass
        assert remedy in refused.value.remedy
        assert young.journal(WATCHER) == []
    stored.write_bytes(content)
    young.feed(LATE)
    with young.run("before", models=adoptions(before(), here, [f"watcher={right[:12]}"])) as session:
        until(session, lambda: young.has_read_all(WATCHER))
    assert said(young, "watcher") == alarms(model) != {}
