from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rivergate.agents import Agent
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.domain.event import Event, Proposal
from rivergate.runtime.app import App, load_app
from rivergate.runtime.declaration import Declaration, wait_for_declaration
from rivergate.runtime.environment import scrubbed
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import RunningState, StageProcess, read_running
from rivergate.runtime.spec import AppRef, ProcessSpec
from rivergate.runtime.supervision import commands
from rivergate.runtime.supervision.plan import plan


class Ping(Event, topic="pings"):
    n: int


class Pong(Proposal):
    n: int


class Player(Agent):
    consumes = (Ping,)
    proposes = (Pong,)


def make_app(partitions: int = 4) -> App:
    """An app of one agent."""
    return App("table", [Player], Path("policy.yaml"), {"pong": "m:f"}, partitions=partitions)


def test_no_secret_of_the_environment_reaches_a_process() -> None:
    """The allow-list and what the app declares, nothing else, and hashes in a fixed order."""
    seen = scrubbed(
        {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "MODEL_KEY": "y", "PYTHONHASHSEED": "7"}, ["MODEL_KEY"]
    )
    assert seen["PATH"] == "/bin"
    assert seen["MODEL_KEY"] == "y"
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert seen["PYTHONHASHSEED"] == "0"


def test_every_shard_has_exactly_one_place() -> None:
    """Whatever the number of workers; the gate has one shard, services have none."""
    for workers in (1, 2, 3, 9):
        slots = plan(Declaration.of(make_app()), workers)
        agents = sorted(s for slot in slots if slot.stage == "agent-player" for s in slot.shards)
        assert agents == [0, 1, 2, 3]
        assert [s.shards for s in slots if s.stage == "gate"] == [(0,)]
        assert {s.stage for s in slots if not s.shards} == {"review", "audit"}
        assert [s.stage for s in slots if s.under_ray] == ["agent-player"] * min(workers, 4)


def test_each_stage_with_a_journal_has_its_spares() -> None:
    """Services have none: what they do can wait."""
    slots = plan(Declaration.of(make_app()), 2, spares=1)
    assert {s.stage for s in slots if s.is_spare} == {"agent-player", "gate", "effects"}
    assert [s.name for s in slots if s.is_spare and s.under_ray] == ["agent-player-spare-0"]
    assert not any(s.is_spare for s in plan(Declaration.of(make_app()), 2))


def test_what_nobody_waits_for_comes_last() -> None:
    """At a start the processors belong to shards and to the review page."""
    slots = plan(Declaration.of(make_app()), 1, spares=1, otlp=True)
    assert {s.stage for s in slots if s.comes_last and not s.is_spare} == {"audit", "otlp"}
    assert all(s.comes_last for s in slots if s.is_spare)
    assert not any(s.comes_last for s in slots if s.shards)


def test_a_plan_can_be_narrowed_to_some_stages() -> None:
    """For a container a stage."""
    assert [s.stage for s in plan(Declaration.of(make_app()), 1, only=["gate"])] == ["gate"]


def test_a_declaration_survives_writing_and_reading(tmp_path: Path) -> None:
    """With it the supervisor needs none of the app's code."""
    declared = Declaration.of(make_app())
    declared.write(tmp_path / "declared.json")
    assert Declaration.read(tmp_path / "declared.json") == declared
    assert declared.stages == {"agent-player": 4, "gate": 1, "effects": 4}
    assert declared.uses == ("pings",)
    with pytest.raises(ConfigError, match="declares can't be read"):
        Declaration.read(tmp_path / "nowhere.json")


def test_a_supervisor_waits_for_the_declaration(tmp_path: Path) -> None:
    """It is started before the app is loaded; told to stop, it waits no longer."""
    path, stop = tmp_path / "declared.json", threading.Event()
    writer = threading.Timer(0.1, lambda: Declaration.of(make_app()).write(path))
    writer.start()
    wait_for_declaration(path, stop)
    assert Declaration.read(path).name == make_app().name
    writer.join()
    stop.set()
    wait_for_declaration(tmp_path / "nowhere.json", stop)


def test_an_app_says_what_is_wrong_with_it() -> None:
    """A name that Kafka would not take, two agents of one name."""
    with pytest.raises(ConfigError, match="can't name an app"):
        App("No Spaces", [Player], Path("p"))
    with pytest.raises(ConfigError, match="two agents"):
        App("a", [Player, Player], Path("p"))


@pytest.mark.parametrize(
    ("reference", "message"),
    [("fleet", "doesn't name an app"), ("no_such_module_here:app", "no module"), ("json:dumps2", "isn't an App")],
)
def test_a_reference_that_leads_nowhere_is_explained(reference: str, message: str) -> None:
    """With the form that is wanted."""
    with pytest.raises(ConfigError, match=message):
        load_app(reference)


def test_a_process_spec_round_trips_and_carries_no_secret() -> None:
    """It stands on a command line that everybody can read."""
    spec = ProcessSpec("gate", "gate", "gate-0-x", AppRef("m:a", "a", 2, ("KEY",)), "h:1", "/d", options={"workers": 1})
    assert ProcessSpec.from_json(spec.to_json()) == spec
    with pytest.raises(ConfigError, match="process spec"):
        ProcessSpec.from_json("{}")


def test_a_resume_is_asked_once_and_taken_once(tmp_path: Path) -> None:
    """The supervisor takes it from the data directory."""
    data = DataDir(tmp_path)
    commands.ask_to_resume(data, "agent-player", 3)
    commands.ask_to_resume(data, "agent-player", 3)
    assert list(commands.take_resumes(data)) == [("agent-player", 3)]
    assert list(commands.take_resumes(data)) == []
    assert commands.parse_shard("agent-player/3") == ("agent-player", 3)
    with pytest.raises(BadInput, match="names no shard"):
        commands.parse_shard("agent-player")


def test_what_runs_can_be_read_by_others_until_nothing_runs(tmp_path: Path) -> None:
    """Half a file is never seen, and a failure tells its reason."""
    data = DataDir(tmp_path).make()
    state = RunningState(data, "table", "h:1", "local")
    state.update([StageProcess("gate-0", "gate", "gate-0-x", 7, alive=True)], ready=True)
    found = read_running(data.state_file)
    assert found is not None
    assert found.ready
    assert found.processes[0].pid == 7
    state.fail("no such topic")
    failed = read_running(data.state_file)
    assert failed is not None
    assert failed.error == "no such topic"
    state.clear()
    assert read_running(data.state_file) is None
