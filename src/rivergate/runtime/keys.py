"""The app's Ed25519 keys: made on the first start, each in a file that its owner alone can read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from rivergate.domain.errors import ConfigError
from rivergate.domain.signing import SigningKey

OPERATOR, REVIEW, SNAPSHOTS = "operator", "review", "snapshots"
_SEED_BYTES = 32


def ensure_keys(folder: Path) -> None:
    """Make the keys that are missing. Safe to call from several processes at once."""
    for name in (OPERATOR, REVIEW, SNAPSHOTS):
        path = folder / f"{name}.key"
        if not path.exists():
            _create(path, SigningKey.generate().seed)
        public = folder / f"{name}.pub"
        if not public.exists():
            public.write_text(load_key(folder, name).public.hex() + "\n")


def load_key(folder: Path, name: str) -> SigningKey:
    """A private key. Raises `ConfigError` where it is missing, malformed, or readable by others."""
    path = folder / f"{name}.key"
    try:
        text = path.read_text().strip()
        mode = path.stat().st_mode
    except OSError as e:
        raise ConfigError(f"the {name} key can't be read: {e.strerror}", where=str(path), remedy=_REMEDY) from e
    if mode & 0o077:
        raise ConfigError(
            f"the {name} key can be read by other users", where=str(path), remedy=f"run `chmod 600 {path}`"
        )
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise ConfigError(f"the {name} key isn't {2 * _SEED_BYTES} hex digits", where=str(path), remedy=_REMEDY)
    return SigningKey(seed)


def load_public(folder: Path, name: str) -> bytes:
    """A public key: 32 raw bytes. Raises `ConfigError`."""
    path = folder / f"{name}.pub"
    try:
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as e:
        raise ConfigError(f"the {name} key's public half can't be read", where=str(path), remedy=_REMEDY) from e


def public_of(path: Path) -> bytes:
    """The public snapshot key in a file that somebody named: 32 raw bytes. Raises `ConfigError`."""
    try:
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as e:
        raise ConfigError(
            f"isn't a public key: {e}", where=str(path), remedy="name a copy of that app's keys/snapshots.pub"
        ) from e


def _create(path: Path, seed: bytes) -> None:
    """Write aside with 0600, then link into place: two that start at once agree on one key."""
    aside = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as f:
        f.write(seed.hex() + "\n")
        f.flush()
        os.fsync(f.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(aside, path)
    aside.unlink()


_REMEDY = "restore it from the backup of the data directory; a new key makes the app distrust what the old one signed"
