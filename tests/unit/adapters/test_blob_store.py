from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rivergate.adapters.blob_store import FsspecBlobs


def test_what_was_put_is_on_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the bytes are synced, then the folder that has come to name them."""
    synced: list[bool] = []
    really = os.fsync

    def fsync(fd: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(fd).st_mode))
        really(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    blobs = FsspecBlobs(str(tmp_path))
    blobs.put("a/b/1", b"content")
    assert synced == [False, True]
    assert (blobs.get("a/b/1"), blobs.names("a/")) == (b"content", ["a/b/1"])


def test_a_beginning_can_be_read_alone(tmp_path: Path) -> None:
    """A snapshot's head tells when it was taken; its state may be large."""
    blobs = FsspecBlobs(str(tmp_path))
    blobs.put("a/b", b"0123456789")
    assert blobs.get("a/b", 4) == b"0123"
    assert blobs.get("a/b", 400) == b"0123456789"
    with pytest.raises(KeyError):
        blobs.get("a/c", 4)
