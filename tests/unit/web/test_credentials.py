from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.web.credentials import Credentials, ensure_credentials, load_credentials
from rivergate.web.server import listening


def test_a_first_start_makes_a_token_that_its_owner_alone_reads(tmp_path: Path) -> None:
    """0600, long enough, and the address is in it."""
    path = tmp_path / "data" / "review-token.json"
    made = ensure_credentials(path, "http://127.0.0.1:1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(made.token) >= 43
    assert load_credentials(path) == made


def test_a_restart_keeps_name_and_token(tmp_path: Path) -> None:
    """Only the address is new; sessions stay."""
    path = tmp_path / "review-token.json"
    first = ensure_credentials(path, "http://127.0.0.1:1", "reviewer-1")
    second = ensure_credentials(path, "http://127.0.0.1:2")
    assert second == Credentials("reviewer-1", first.token, "http://127.0.0.1:2")


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (None, 0o600, "no token file"),
        ("{not json", 0o600, "can't be read"),
        ('{"name": "x"}', 0o600, "can't be read"),
        ('{"name": "x", "token": "short"}', 0o600, "too short"),
        ('{"name": "x", "token": "%s"}' % ("t" * 43), 0o644, "other users"),
    ],
)
def test_a_token_file_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str | None, mode: int, says: str) -> None:
    """Each with its own sentence and remedy."""
    path = tmp_path / "review-token.json"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=says) as refused:
        load_credentials(path)
    assert refused.value.remedy


def test_the_token_is_never_printed() -> None:
    """Not by accident, in a log line."""
    assert "secret" not in repr(Credentials("x", "secret", "y"))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org", ""])  # noqa: S104 - refused is what they are
def test_the_service_listens_on_loopback_alone(host: str) -> None:
    """Whoever reaches it could decide."""
    with pytest.raises(ConfigError), listening(host, 0):
        pass


def test_a_port_in_use_is_named() -> None:
    """With what to do about it."""
    with listening("127.0.0.1", 0) as (_, address):
        port = int(address.rpartition(":")[2])
        with pytest.raises(ConfigError, match=str(port)), listening("127.0.0.1", port):
            pass
