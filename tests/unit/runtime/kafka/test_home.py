from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.runtime.kafka.home import Home, Identity
from rivergate.runtime.kafka.process import scrubbed_environment
from rivergate.runtime.kafka.settings import server_properties


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
    """Neither credentials nor Java options of the environment reach it."""
    full = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "JAVA_TOOL_OPTIONS": "-verbose", "HOME": "/h"}
    assert scrubbed_environment(full) == {"PATH": "/bin", "HOME": "/h"}
