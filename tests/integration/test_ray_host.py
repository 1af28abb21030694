"""Loops in Ray actors: one at a time in a place, the newest that was wanted, whoever had started the one before."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rivergate.adapters.ray_host import ENDED, SUPERSEDED, RayCluster, RayProcess, WorkerActor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ENTRY = f"{__name__}:wait"
WAIT_S = 30.0


def wait(spec: str, stop: threading.Event) -> None:
    """A loop that leaves a file behind while it runs."""
    mark = Path(spec)
    mark.touch()
    stop.wait()
    mark.unlink()


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A Ray of this module's own, whose actors find this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("RAY_AUTH_MODE", "disabled")
        cluster = RayCluster("test-ray-host")
        yield cluster
        cluster.close()


def started(cluster: RayCluster, place: str, name: str, folder: Path) -> RayProcess:
    """A loop that is asked to run."""
    return cluster.start(place, name, ENTRY, str(folder / name), folder / f"{place}.log", {})


def test_a_loop_makes_way_for_the_next_in_its_place(cluster: RayCluster, tmp_path: Path) -> None:
    """A loop that nobody waits for any more is ended by the one that follows it, which runs on when the old one is killed."""
    first = started(cluster, "a", "first", tmp_path)
    assert until((tmp_path / "first").exists)
    second = started(cluster, "a", "second", tmp_path)
    assert until((tmp_path / "second").exists)
    assert not (tmp_path / "first").exists()
    assert first.why_ended() == SUPERSEDED
    first.ask_to_stop()
    first.kill()
    third = started(cluster, "b", "third", tmp_path)
    assert until((tmp_path / "third").exists)  # what the first one asked for has been heard by now
    assert second.alive()
    assert (tmp_path / "second").exists()
    second.ask_to_stop()
    assert until(lambda: not second.alive())
    assert second.why_ended() == ENDED
    third.kill()


def test_a_place_whose_actor_was_killed_gets_another(cluster: RayCluster, tmp_path: Path) -> None:
    """As after another supervisor has ended what it took for its own."""
    first = started(cluster, "c", "first", tmp_path)
    assert until((tmp_path / "first").exists)
    first.kill()
    assert until(first.is_dead)
    second = started(cluster, "c", "second", tmp_path)
    assert until((tmp_path / "second").exists)
    assert second.alive()
    second.kill()


def test_a_loop_that_was_stopped_before_it_began_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one that was overtaken while it waited for its turn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("rivergate"), "handlers", [])
    actor = WorkerActor(str(tmp_path / "log"), str(tmp_path))
    actor.make_way("first")
    actor.stop("first")
    assert actor.run(ENTRY, str(tmp_path / "first"), "first") == ENDED
    actor.make_way("second")
    actor.make_way("third")
    actor.stop("second")
    assert actor.run(ENTRY, str(tmp_path / "second"), "second") == SUPERSEDED
    loop = threading.Thread(target=actor.run, args=(f"{__name__}:wait", str(tmp_path / "third"), "third"))
    loop.start()
    assert until((tmp_path / "third").exists)
    actor.stop("third")
    loop.join(WAIT_S)
    assert not loop.is_alive()
