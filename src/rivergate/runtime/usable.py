"""What the system refuses in a data directory, as an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rivergate.domain.errors import ConfigError


@contextmanager
def usable(data_dir: Path) -> Iterator[None]:
    """Turn an OSError of the block into a `ConfigError` about the data directory."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"can't use the data directory: {error.strerror or error}",
            where=str(error.filename or data_dir),
            remedy="name a folder that you may write to with --data-dir, on a disk that has room",
        ) from error
