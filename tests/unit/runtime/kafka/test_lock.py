from __future__ import annotations

import tomllib
from importlib import resources

from tests.unit.runtime.kafka.jars import tiny_lock

from rivergate.runtime.kafka.lock import Lock, parse_lock, render_lock, shipped_lock


def test_a_lock_survives_writing_and_reading() -> None:
    """What relock writes is what an install reads."""
    assert parse_lock(render_lock(tiny_lock())) == tiny_lock()


def test_the_digest_names_the_class_path() -> None:
    """Another digest of one jar, another order: another folder."""
    lock = tiny_lock()
    turned = Lock(lock.version, lock.jars[::-1])
    assert lock.digest == tiny_lock().digest
    assert turned.digest != lock.digest


def test_the_shipped_lock_holds_what_the_specification_asks_for() -> None:
    """Each coordinate of jgo.toml is locked, to the byte, and no two jars share a name."""
    package = resources.files("rivergate.runtime.kafka")
    wanted = tomllib.loads(package.joinpath("jgo.toml").read_text("utf-8"))["dependencies"]["coordinates"]
    lock = shipped_lock()
    assert {coordinate.rstrip("!") for coordinate in wanted} <= {jar.coordinate for jar in lock.jars}
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in lock.jars)
    assert len({jar.file for jar in lock.jars}) == len(lock.jars)


def test_all_parts_of_kafka_have_one_version() -> None:
    """An older client library beside a newer server starts and then fails in odd places."""
    lock = shipped_lock()
    parts = [jar.coordinate for jar in lock.jars if jar.coordinate.startswith("org.apache.kafka:")]
    assert parts
    assert all(part.endswith(f":{lock.version}") for part in parts)


def test_no_lock_names_a_host() -> None:
    """Where jars come from is jgo's setting, not ours."""
    package = resources.files("rivergate.runtime.kafka")
    for name in ("jgo.toml", "kafka.lock.toml"):
        assert "://" not in package.joinpath(name).read_text("utf-8")
