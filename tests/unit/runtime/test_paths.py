"""Where an app's snapshots are."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import BadInput
from rivergate.runtime.paths import DataDir


def test_snapshots_are_in_the_data_directory_unless_another_place_was_noted(tmp_path: Path) -> None:
    """What was noted once holds for every later command."""
    assert DataDir(tmp_path / "a").snapshots == str(tmp_path / "a" / "snapshots")
    DataDir(tmp_path / "b").make().note_snapshots("s3://bucket/snapshots")
    DataDir(tmp_path / "b").note_snapshots("s3://bucket/snapshots")
    assert DataDir(tmp_path / "b").snapshots == "s3://bucket/snapshots"


def test_a_path_means_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted whole, though it was typed from where somebody stood; one that was noted as typed is mended."""
    data, old = DataDir(tmp_path / "a").make(), DataDir(tmp_path / "b").make()
    (old.root / "snapshots.url").write_text("snaps\n")
    monkeypatch.chdir(tmp_path)
    data.note_snapshots("snaps")
    old.note_snapshots("./snaps")
    monkeypatch.chdir("/")
    assert data.snapshots == old.snapshots == str(tmp_path / "snaps")
    data.note_snapshots(str(tmp_path / "snaps"))
    with pytest.raises(BadInput, match="are at"):
        data.note_snapshots("snaps")


@pytest.mark.parametrize("url", ["s3://bucket/a", "memory://a", "file:///a/b", "simplecache::s3://bucket"])
def test_a_url_stays_as_it_is(tmp_path: Path, url: str) -> None:
    """It names a whole address."""
    data = DataDir(tmp_path).make()
    data.note_snapshots(url)
    assert data.snapshots == url


def test_another_place_is_refused_once_there_may_be_snapshots(tmp_path: Path) -> None:
    """Else the next start wouldn't find them."""
    noted, in_there = DataDir(tmp_path / "a").make(), DataDir(tmp_path / "b").make()
    noted.note_snapshots("s3://bucket/one")
    (in_there.root / "snapshots").mkdir()
    for data, place in ((noted, "s3://bucket/one"), (in_there, str(in_there.root / "snapshots"))):
        with pytest.raises(BadInput, match="another: the app's snapshots are at") as raised:
            data.note_snapshots("s3://bucket/another")
        assert place in str(raised.value)
        assert data.snapshots == place
