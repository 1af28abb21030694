"""Apps that can't run: the start ends with what is wrong and what to do about it, and with nothing left behind."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import psutil
import pytest
from tests.checker import check
from tests.integration.bad_world import STAGE, World, frozen, until

from rivergate.domain.errors import AlreadyRunning, ConfigError, RivergateError
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.lock import demand_unlocked


@pytest.mark.parametrize(
    ("made_by", "what", "remedy"),
    [
        ("typo", r"undeclared reference to 'action\.nn'", "did you mean 'action.n'"),
        ("hoarder", "state of agent Hoarder can't be put into a snapshot", "no open files, locks or lambdas"),
        ("undeclared", "no topic file declares '.*-events'", "add a file for it"),
        ("missing_effector", "effector of 'note' can't be loaded .*no_such_thing", "MODULE:CALLABLE"),
    ],
)
def test_an_app_with_a_mistake(kafka: LocalKafka, tmp_path: Path, made_by: str, what: str, remedy: str) -> None:
    """The error of whichever process found it reaches the one who started the app, within seconds."""
    world = World(kafka.bootstrap, tmp_path, made_by)
    with pytest.raises(ConfigError, match=what) as caught, world.running():
        pytest.fail("it started")
    assert remedy in caught.value.remedy
    assert "Traceback" not in str(caught.value)
    demand_unlocked(world.data.lock_file)


def test_a_review_port_in_use(kafka: LocalKafka, tmp_path: Path) -> None:
    """It is said before anything is started."""
    world = World(kafka.bootstrap, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(RivergateError, match=f"port {port} is in use") as caught, world.running(review_port=port):
            pytest.fail("it started")
    assert "choose another port with --review-port" in caught.value.remedy
    assert not (world.data.logs / "supervisor.log").exists()


@pytest.mark.slow
def test_a_second_copy_and_a_zombie(kafka: LocalKafka, tmp_path: Path) -> None:
    """A second copy is refused on the data directory and on another one without the keys. With the keys it takes the app
    over: the first supervisor says so, and a worker of the first that was stopped meanwhile commits nothing any more.
    """
    world = World(kafka.bootstrap, tmp_path / "first")
    stranger = World(kafka.bootstrap, tmp_path / "stranger")
    heir = World(kafka.bootstrap, tmp_path / "heir")
    stranger.name, stranger.ref = heir.name, heir.ref = world.name, world.ref
    with world.running() as first:
        told = first.running
        with pytest.raises(AlreadyRunning, match=rf"already \(process {first.supervisor_pid}\)"), world.running():
            pytest.fail("a second copy started")
        with pytest.raises(ConfigError, match="belong to another data directory") as caught, stranger.running():
            pytest.fail("a stranger started")
        assert "another name" in caught.value.remedy
        assert first.running == told
        world.send({"n": n} for n in range(10))
        assert until(lambda: world.done() == list(range(10)))
        zombie = world.worker(first)
        supervisor = psutil.Process(first.supervisor_pid)
        with frozen(supervisor), frozen(zombie):
            shutil.copytree(world.data.keys, heir.data.make().keys, dirs_exist_ok=True)
            world.send({"n": n} for n in range(10, 20))
            with heir.running() as second:
                assert until(lambda: heir.done() == list(range(10, 20)))
                zombie.resume()
                world.send({"n": n} for n in range(20, 30))
                assert until(lambda: heir.done() == list(range(10, 30)))
                supervisor.resume()
                with pytest.raises(AlreadyRunning, match="another supervisor has taken app"):
                    until(lambda: bool(first.demand_alive()))
                assert not zombie.is_running()
                second.demand_alive()
                assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
    seen = [v["arguments"]["seen"] for v in heir.values("proposals")]
    assert seen == list(range(1, 31)), f"{STAGE} went on with the state that it had"
