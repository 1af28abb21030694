"""The token file: what lets this machine's user talk to the review service."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rivergate.domain.errors import ConfigError

_TOKEN_BYTES = 32
DEFAULT_NAME = "operator"
API_PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may decide here, with which token and in which roles, and where the service listens (empty until it does).

    `repr` never shows the token.
    """

    name: str
    token: str
    address: str = ""
    roles: tuple[str, ...] = ()

    @property
    def login_url(self) -> str:
        """A link that signs a browser in."""
        return f"{self.address}/login?token={self.token}"

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r}, address={self.address!r})"


def load_credentials(path: Path) -> Credentials:
    """Read a token file. Raises `ConfigError` where it is missing, malformed or readable by others."""
    try:
        mode = path.stat().st_mode
        value = json.loads(path.read_text(encoding="utf-8"))
        roles = tuple(str(r) for r in value.get("roles", ()))
        read = Credentials(str(value["name"]), str(value["token"]), str(value.get("address", "")), roles)
    except FileNotFoundError as e:
        raise ConfigError(
            "no token file: the review service hasn't run here yet",
            where=str(path),
            remedy="start it with `rivergate up`, or name the file with --token-file",
        ) from e
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ConfigError(
            f"the token file can't be read: {e}", where=str(path), remedy="delete it; the service makes a new one"
        ) from e
    if mode & 0o077:
        raise ConfigError(
            "the token file can be read by other users", where=str(path), remedy=f"run `chmod 600 {path}`"
        )
    if len(read.token) < _TOKEN_BYTES:
        raise ConfigError(
            "the token is too short to keep anyone out", where=str(path), remedy="delete the file; a new one is made"
        )
    return read


def ensure_credentials(path: Path, address: str, name: str = DEFAULT_NAME) -> Credentials:
    """The credentials with this address, kept in the file (0600). An existing name, token and roles stay."""
    if path.exists():
        kept = load_credentials(path)
        credentials = replace(kept, address=address)
    else:
        credentials = Credentials(name, secrets.token_urlsafe(_TOKEN_BYTES), address)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as f:
        json.dump(asdict(credentials), f, indent=1)
    aside.replace(path)
    return credentials
