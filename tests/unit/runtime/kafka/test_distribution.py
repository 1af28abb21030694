from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.runtime.kafka.jars import CONTENT, Shelf, tiny_lock

from rivergate.runtime.kafka import distribution as module
from rivergate.runtime.kafka import fetch as fetching
from rivergate.runtime.kafka.distribution import Distribution, bad_jars, cache_dir, ensure_distribution
from rivergate.runtime.kafka.errors import DistributionUnavailable
from rivergate.runtime.kafka.fetch import Fetch
from rivergate.runtime.kafka.holding import Holder, Holding
from rivergate.runtime.kafka.lock import Jar

Patience = Callable[[Holder | None, float], bool]


def ensure(root: Path, fetch: Fetch) -> Distribution:
    """The tiny distribution, in a cache of the test's own."""
    return ensure_distribution(root=root, lock=tiny_lock(), fetch=fetch)


def test_an_empty_cache_is_filled(tmp_path: Path) -> None:
    """Every jar of the lock stands in the folder under its own name, in the class path's order."""
    found = ensure(tmp_path, Shelf())
    assert [path.read_bytes() for path in found.class_path] == list(CONTENT.values())
    assert [path.name for path in found.class_path] == ["one-1.0.jar", "two-2.0.jar", "three-3.0.jar"]


def test_a_full_cache_asks_for_nothing(tmp_path: Path) -> None:
    """The second call fetches nothing, so it works without a network."""
    ensure(tmp_path, Shelf())
    shelf = Shelf({})
    ensure(tmp_path, shelf)
    assert shelf.asked == []


@pytest.mark.parametrize("content", [b"", b"second", b"SECOND JAR"], ids=["empty", "cut short", "same size, altered"])
def test_a_bad_jar_is_fetched_again_and_no_other(tmp_path: Path, content: bytes) -> None:
    """Length and digest are checked at each call; what is whole stays."""
    path = ensure(tmp_path, Shelf()).class_path[1]
    path.write_bytes(content)
    shelf = Shelf()
    ensure(tmp_path, shelf)
    assert shelf.asked == ["org.example:two:2.0"]
    assert path.read_bytes() == b"second jar"


def test_mending_drops_the_start_cache(tmp_path: Path) -> None:
    """Java's archive was made from the jars as they were."""
    found = ensure(tmp_path, Shelf())
    (found.folder / "java-25.aot").write_bytes(b"archive")
    found.class_path[0].unlink()
    ensure(tmp_path, Shelf())
    assert not (found.folder / "java-25.aot").exists()


def test_a_download_that_is_not_what_the_lock_names_is_refused(tmp_path: Path) -> None:
    """Altered bytes never get a jar's name, and the message says that the digest is wrong."""
    shelf = Shelf({**CONTENT, "org.example:two:2.0": b"evil twin!"})
    with pytest.raises(DistributionUnavailable, match=r"two-2\.0\.jar was downloaded, and its SHA-256 isn't") as caught:
        ensure(tmp_path, shelf)
    assert "mirror or proxy" in caught.value.remedy
    assert not list(tmp_path.rglob("two-2.0.jar"))


def test_a_failed_download_keeps_what_arrived(tmp_path: Path) -> None:
    """The next call goes on from there, and nothing half-written is left."""
    shelf = Shelf({c: content for c, content in CONTENT.items() if "three" not in c})
    with pytest.raises(DistributionUnavailable, match=r"couldn't download three-3\.0\.jar"):
        ensure(tmp_path, shelf)
    assert not list(tmp_path.rglob(".staging-*"))
    kept = {path.name for path in tmp_path.rglob("*.jar")}
    again = Shelf()
    found = ensure(tmp_path, again)
    assert len(again.asked) == 3 - len(kept)
    assert bad_jars(found.folder, tiny_lock()) == []


def test_what_a_killed_download_left_is_swept(tmp_path: Path) -> None:
    """A staging folder of a process that was killed goes with the next mending."""
    found = ensure(tmp_path, Shelf())
    (found.folder / ".staging-old").mkdir()
    found.class_path[0].unlink()
    ensure(tmp_path, Shelf())
    assert not (found.folder / ".staging-old").exists()


def test_two_that_start_at_once_fetch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and finds everything there."""
    first_fetches, second_waits = threading.Event(), threading.Event()
    shelf = Shelf()

    def slow(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
        first_fetches.set()
        assert second_waits.wait(10)
        return shelf(jar, folder, arrived)

    def hold(path: Path, *, patience: Patience) -> Holding | None:
        return real_hold(path, patience=patience, sleep=lambda _s: second_waits.set())

    real_hold = module.hold
    monkeypatch.setattr(module, "hold", hold)
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ensure, tmp_path, slow)
        assert first_fetches.wait(10)
        second = pool.submit(
            ensure_distribution,
            lambda doing, _share: said.append(doing),
            root=tmp_path,
            lock=tiny_lock(),
            fetch=Shelf({}),
        )
        assert first.result(10).class_path == second.result(10).class_path
    assert sorted(shelf.asked) == sorted(CONTENT)
    assert any(doing.startswith("waiting for process") for doing in said)


def test_waiting_for_another_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes of another's work are enough; the message says where."""

    def never(_path: Path, *, patience: Patience) -> Holding | None:
        assert patience(Holder(1, 1), 599.0)
        assert not patience(Holder(1, 1), 601.0)
        return None

    monkeypatch.setattr(module, "hold", never)
    with pytest.raises(DistributionUnavailable, match="ten minutes") as caught:
        ensure(tmp_path, Shelf())
    assert str(tmp_path) in caught.value.where


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    """The share that is told grows to 1."""
    shares: list[float | None] = []
    ensure_distribution(lambda _doing, share: shares.append(share), root=tmp_path, lock=tiny_lock(), fetch=Shelf())
    assert shares[-1] == 1.0
    assert shares == sorted(shares, key=lambda share: share or 0.0)


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The folder and the variable that names another one stand in the message."""
    (tmp_path / "kafka").write_text("a file where a folder should be")
    with pytest.raises(DistributionUnavailable, match="can't keep Apache Kafka's files") as caught:
        ensure(tmp_path, Shelf())
    assert "RIVERGATE_CACHE_DIR" in caught.value.remedy


def test_the_cache_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RIVERGATE_CACHE_DIR comes first, then the user's cache folder."""
    monkeypatch.setenv("RIVERGATE_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("RIVERGATE_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_dir().is_relative_to(tmp_path)
    assert cache_dir().name == "rivergate"


def test_a_mirror_that_is_away_for_a_moment_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jgo says "not found" of every answer that isn't 200, a gateway's 503 among them."""
    jar = tiny_lock().jars[0]
    answers: list[Exception | None] = [RuntimeError("x.jar not found in remote repositories"), None]

    class Resolving:
        def create_dependency(self, _: str) -> Resolving:
            return self

        @property
        def artifact(self) -> Resolving:
            return self

        def resolve(self) -> Path:
            error = answers.pop(0)
            if error is not None:
                raise error
            return tmp_path / "there"

    monkeypatch.setattr(fetching, "_context", lambda *_: Resolving())
    monkeypatch.setattr(fetching.time, "sleep", lambda _: None)
    assert fetching.fetch_with_jgo(jar, tmp_path, lambda _: None) == tmp_path / "there"
    assert answers == []


def test_who_is_no_longer_wanted_tries_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, or another jar's failure, while no byte comes."""
    asked: list[str] = []

    def unwanted(_: int) -> None:
        raise fetching.Cancelled

    monkeypatch.setattr(fetching, "_context", lambda *_: asked.append("context"))
    with pytest.raises(fetching.Cancelled):
        fetching.fetch_with_jgo(tiny_lock().jars[0], tmp_path, unwanted)
    assert asked == []
