"""`ports.Blobs` over fsspec: a local folder, or any object store by URL."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

import fsspec

from rivergate.domain.errors import ConfigError, StoreUnavailable


class FsspecBlobs:
    """Blobs below a URL (`file:///var/lib/x`, `s3://bucket/prefix`, a plain path). Any thread.

    Whatever a store raises, each by its own library's lights, is `StoreUnavailable`, save that something isn't there.
    """

    def __init__(self, url: str) -> None:
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as e:
            raise ConfigError(
                f"no blob store at {url!r}: {e}", remedy="name a folder or an URL that fsspec knows"
            ) from e
        self._local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))

    def put(self, name: str, content: bytes) -> None:
        """Store durably and atomically: on a local disk written aside, synced, renamed. Raises `StoreUnavailable`."""
        path = f"{self._root}/{name}"
        with self._reached(name):
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self._local:
                self._put_durably(path, content)
            else:
                self._fs.pipe_file(path, content)

    @staticmethod
    def _put_durably(path: str, content: bytes) -> None:
        aside = f"{path}.{uuid.uuid4().hex}.part"
        try:
            with open(aside, "wb") as f:  # noqa: PTH123 - fsspec's paths are texts
                f.write(content)
                f.flush()
                os.fsync(f.fileno())
            os.replace(aside, path)  # noqa: PTH105 - fsspec's paths are texts
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)  # noqa: PTH108 - fsspec's paths are texts
            raise
        folder = os.open(path.rpartition("/")[0], os.O_RDONLY)
        try:
            os.fsync(folder)  # the name too has to survive a power cut before a commit record gives it
        finally:
            os.close(folder)

    def get(self, name: str, limit: int | None = None) -> bytes:
        """The bytes, or the first `limit` of them. Raises `KeyError`, `StoreUnavailable`."""
        try:
            with self._reached(name):
                found: bytes = self._fs.cat_file(f"{self._root}/{name}", start=0, end=limit)
        except FileNotFoundError as e:
            raise KeyError(name) from e
        return found

    def names(self, prefix: str) -> list[str]:
        """Names below a prefix, sorted. Raises `StoreUnavailable`."""
        try:
            with self._reached(prefix):
                found = self._fs.find(f"{self._root}/{prefix}")
        except FileNotFoundError:
            return []
        start = len(str(self._root)) + 1
        return sorted(str(path)[start:] for path in found if not str(path).endswith(".part"))

    def delete(self, name: str) -> None:
        """Remove; nothing happens where there is none. Raises `StoreUnavailable`."""
        with contextlib.suppress(FileNotFoundError), self._reached(name):
            self._fs.rm_file(f"{self._root}/{name}")

    @contextlib.contextmanager
    def _reached(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as e:
            raise StoreUnavailable(
                f"the store at {self._root} doesn't do what it is asked: {e!r}",
                where=name,
                remedy="see to its disk, its network and its permissions",
            ) from e
