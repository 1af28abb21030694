"""Asking a shard what it knows now, over a real connection, while a thread steps it."""

from __future__ import annotations

import gc
import json
import socket
import stat
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.kernel.transactor_world import Summing, World, run

from rivergate.domain.errors import BadInput
from rivergate.runtime import asking_live, live_state
from rivergate.runtime.app import App
from rivergate.runtime.asking_live import NotLive, ask_live, door_of
from rivergate.runtime.live_state import LiveState
from rivergate.runtime.paths import DataDir

APP = App("plant", [Summing], Path("policy.yaml"))
STAGE = "agent-summing"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """An app's data directory."""
    return DataDir(tmp_path).make()


@contextmanager
def running(world: World, data: DataDir, number: int = 0) -> Iterator[LiveState]:
    """A worker whose shard steps in a thread of its own."""
    live, stop, known = LiveState(APP, STAGE, data), threading.Event(), threading.Event()

    def shard() -> None:
        transactor = run(world.transactor())
        while not stop.is_set():
            transactor.step()
            live.answer(number, transactor)
            known.set()

    thread = threading.Thread(target=shard)
    thread.start()
    assert known.wait(10)
    try:
        yield live
    finally:
        stop.set()
        thread.join()
        live.close()


def test_a_shard_says_what_it_knows_after_its_newest_commit(data: DataDir) -> None:
    """The same as `rivergate state` says, without what costs a copy of the state."""
    world = World()
    for n in (1, 2, 4):
        world.put(n)
    with running(world, data):
        told = ask_live(data, STAGE, 0)
    assert (told["app"], told["stage"], told["shard"], told["commits"]) == ("plant", STAGE, 0, 3)
    assert told["attributes"]["sum"]["value"] == 7
    assert told["adopted"] is None
    assert "digest" not in told


def test_what_it_would_do_about_an_event_is_written_nowhere(data: DataDir) -> None:
    """It is folded on a copy: the next question finds the shard as it was."""
    world = World()
    world.put(1)
    with running(world, data):
        before = ask_live(data, STAGE, 0)
        told = ask_live(data, STAGE, 0, event=json.dumps({"n": 5, "text": ""}))
        after = ask_live(data, STAGE, 0)
    assert told["prediction"]["published"], told
    assert before == after
    assert len(world.written()) == 1


def test_what_is_no_event_is_refused_with_the_field(data: DataDir) -> None:
    """By the event's own class."""
    with running(World(), data), pytest.raises(BadInput, match="n\n"):
        ask_live(data, STAGE, 0, event='{"n": "many"}')


def test_only_who_may_read_the_file_may_ask(data: DataDir) -> None:
    """It is the owner's alone, and another key opens nothing; a visitor without one holds nobody up."""
    with running(World(), data):
        path = door_of(data, STAGE, 0)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        door = json.loads(path.read_text())
        path.write_text(json.dumps(door | {"key": "00" * 32}))
        with pytest.raises(NotLive, match="can't be asked"):
            ask_live(data, STAGE, 0)
        path.write_text(json.dumps(door))
        assert ask_live(data, STAGE, 0)["commits"] == 0


def test_a_shard_that_runs_nowhere_is_said_with_the_remedy(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never started, not run here, ended, or hanging."""
    with pytest.raises(NotLive, match="doesn't run here") as raised:
        ask_live(data, STAGE, 0)
    assert "rivergate shards list" in raised.value.remedy
    with running(World(), data):
        door_of(data, STAGE, 1).write_text(door_of(data, STAGE, 0).read_text())
        with pytest.raises(NotLive, match="isn't run here"):
            ask_live(data, STAGE, 1)
    assert not door_of(data, STAGE, 0).exists()
    monkeypatch.setattr("rivergate.runtime.live_state.ANSWER_S", 0.05)
    monkeypatch.setattr(asking_live, "ANSWER_S", 0.5)
    live = LiveState(APP, STAGE, data)
    live.answer(0, run(World().transactor()))  # and then it folds for a long time
    with pytest.raises(NotLive, match="didn't answer"):
        ask_live(data, STAGE, 0)
    live.close()


def visitor_at(data: DataDir) -> socket.socket:
    """Somebody who has only connected."""
    door = json.loads(door_of(data, STAGE, 0).read_text())
    return socket.create_connection((door["host"], door["port"]), timeout=10)


def hung_up(visitor: socket.socket) -> bool:
    """Whether the worker ends the conversation before ten seconds are over."""
    try:
        while visitor.recv(1000):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\0\1\0half an answer to the challenge"])
def test_a_visitor_who_falls_silent_is_seen_off(data: DataDir, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """At once, or in the middle of a word: no thread waits for it for ever."""
    monkeypatch.setattr(live_state, "TALK_S", 0.1)
    with running(World(), data), visitor_at(data) as silent:
        silent.sendall(said)
        assert hung_up(silent)
        monkeypatch.setattr(live_state, "TALK_S", 10.0)
        assert ask_live(data, STAGE, 0)["commits"] == 0


def test_a_visitor_too_many_is_turned_away(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those before it keep their places until they go, and then there is room again."""
    monkeypatch.setattr(live_state, "VISITORS", 2)
    with running(World(), data):
        seated = [visitor_at(data) for _ in range(2)]
        assert all(visitor.recv(1) for visitor in seated), "the challenge"
        with visitor_at(data) as late:
            assert hung_up(late)
        with pytest.raises(NotLive):
            ask_live(data, STAGE, 0)
        for visitor in seated:
            visitor.close()
        for thread in [t for t in threading.enumerate() if t.name == "live-state-answer"]:
            thread.join(10)
        assert ask_live(data, STAGE, 0)["commits"] == 0


def test_a_new_owners_door_is_left_alone(data: DataDir) -> None:
    """The old one closes later, as it does when it has to drain."""
    old = LiveState(APP, STAGE, data)
    old.answer(0, run(World().transactor()))
    with running(World(), data):
        old.close()
        assert ask_live(data, STAGE, 0)["commits"] == 0


def test_a_shard_that_has_ended_is_let_go(data: DataDir) -> None:
    """Its state is the largest thing that a worker has; and whoever asks is told at once, not after `ANSWER_S`."""
    live = LiveState(APP, STAGE, data)
    driver, next_one = run(World().transactor()), run(World().transactor())
    live.answer(0, driver)
    live.answer(1, next_one)
    seen = weakref.ref(driver)
    live.forget(0, driver)
    del driver
    gc.collect()
    assert seen() is None
    with pytest.raises(NotLive, match="isn't run here"):
        ask_live(data, STAGE, 0)
    live.close()
    assert not door_of(data, STAGE, 0).exists()
    assert not door_of(data, STAGE, 1).exists()


def test_who_asks_while_a_shard_ends_is_told(data: DataDir) -> None:
    """The question has been put, and nobody comes any more to look at it."""
    live = LiveState(APP, STAGE, data)
    driver = run(World().transactor())
    live.answer(0, driver)
    with ThreadPoolExecutor(1) as asking:
        told = asking.submit(ask_live, data, STAGE, 0)
        while live._known[0][1].empty():
            assert not told.done()
        live.forget(0, driver)
        with pytest.raises(NotLive, match="isn't run here"):
            told.result(10)
    live.close()


def test_an_old_driver_that_ends_late_takes_nothing_from_the_new_one(data: DataDir) -> None:
    """One that hung for longer than its worker waits."""
    late = run(World().transactor())
    with running(World(), data) as live:
        live.forget(0, late)
        assert ask_live(data, STAGE, 0)["commits"] == 0
