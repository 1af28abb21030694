from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.kafka.home import Home, Identity
from rivergate.runtime.kafka.process import scrubbed_environment
from rivergate.runtime.kafka.settings import server_properties
from rivergate.runtime.lock import demand_unlocked


def test_an_identity_is_remembered(tmp_path: Path) -> None:
    """A new folder gets a new cluster id; a written one comes back."""
    home = Home(tmp_path)
    home.make()
    fresh = home.identity()
    assert len(fresh.cluster_id) == 22
    assert not fresh.cluster_id.startswith("-")
    home.remember(Identity(fresh.cluster_id, 20001))
    assert Home(tmp_path).identity() == Identity(fresh.cluster_id, 20001)


def test_data_without_an_identity_is_never_formatted_over(tmp_path: Path) -> None:
    """A log that lost its meta.properties is said, not begun anew; an empty one is formatted."""
    home = Home(tmp_path)
    home.make()
    assert not home.formatted()
    (home.root / "log" / "__cluster_metadata-0").mkdir(parents=True)
    with pytest.raises(ConfigError, match="the file that says whose it is has gone"):
        home.formatted()
    home.meta.write_text("cluster.id=x\n")
    assert home.formatted()


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    """A file in the way is said with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't use the data directory") as caught:
        Home(tmp_path / "file").make()
    assert str(tmp_path / "file") in caught.value.where


def test_what_the_log_holds_is_its_owners_alone(tmp_path: Path) -> None:
    """Wherever the data directory lies: Java writes segments that others could read."""
    home = Home(tmp_path / "shared")
    home.make()
    assert home.root.stat().st_mode & 0o077 == 0


def test_a_broker_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """As where another user has begun it; a folder in the lock's place refuses the administrator too."""
    kafka = LocalKafka(tmp_path)
    (tmp_path / "kafka" / "broker.lock").mkdir(parents=True)
    with pytest.raises(ConfigError, match="can't use the data directory") as caught:
        kafka.start()
    assert "broker.lock" in caught.value.where
    (tmp_path / "supervisor.lock").mkdir()
    with pytest.raises(ConfigError, match="can't use the data directory"):
        demand_unlocked(tmp_path / "supervisor.lock")


def test_what_a_killed_broker_unpacked_is_thrown_away(tmp_path: Path) -> None:
    """Native libraries don't pile up start by start."""
    home = Home(tmp_path)
    home.make()
    home.clear_temporary()
    (home.temporary / "libzstd.so").write_text("")
    home.clear_temporary()
    assert list(home.temporary.iterdir()) == []


def test_a_broker_listens_on_the_loopback_address_alone() -> None:
    """Every address in the settings is 127.0.0.1, and topics aren't created by a typo."""
    settings = server_properties(20001, 20002)
    lines = [line for line in settings.splitlines() if "://" in line or "@" in line]
    assert lines
    assert all(host.startswith("127.0.0.1:") for line in lines for host in line.replace("@", "://").split("://")[1:])
    assert "auto.create.topics.enable=false" in settings


def test_a_broker_gets_no_secrets() -> None:
    """Neither credentials nor Java options of the environment reach it; how paths are spelt does."""
    full = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "JAVA_TOOL_OPTIONS": "-verbose", "HOME": "/h"}
    spelling = {"LC_CTYPE": "C.UTF-8"}
    assert scrubbed_environment(full | spelling) == {"PATH": "/bin", "HOME": "/h"} | spelling
