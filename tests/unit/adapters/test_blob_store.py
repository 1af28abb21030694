from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.domain.errors import StoreUnavailable


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


class Cloud(AbstractFileSystem):
    """A store whose library has errors of its own, as those of object stores do."""

    protocol = "cloud"

    def _fail(self, *_: object, **__: object) -> None:
        raise RuntimeError("EndpointConnectionError: could not connect")

    pipe_file = cat_file = find = rm_file = makedirs = _fail


@pytest.mark.parametrize(
    "ask",
    [
        lambda blobs: blobs.put("a/1", b"x"),
        lambda blobs: blobs.get("a/1"),
        lambda blobs: blobs.names("a/"),
        lambda blobs: blobs.delete("a/1"),
    ],
)
def test_a_store_that_is_away_may_be_asked_again(ask: Callable[[FsspecBlobs], object]) -> None:
    """Whatever its library raises: a shard that recovers waits for it, and doesn't park."""
    fsspec.register_implementation("cloud", Cloud, clobber=True)
    with pytest.raises(StoreUnavailable, match="could not connect") as away:
        ask(FsspecBlobs("cloud://bucket"))
    assert away.value.retryable


def test_what_is_not_there_is_no_failure_of_the_store(tmp_path: Path) -> None:
    """A folder that nothing was put into, a blob that is gone."""
    blobs = FsspecBlobs(str(tmp_path))
    blobs.delete("a/1")
    assert blobs.names("a/") == []
    with pytest.raises(KeyError):
        blobs.get("a/1")
