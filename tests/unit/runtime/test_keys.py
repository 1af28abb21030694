from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.domain.signing import SigningKey, verify
from rivergate.runtime import keys


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    """A second start finds the keys of the first."""
    keys.ensure_keys(tmp_path)
    first = keys.load_key(tmp_path, keys.REVIEW)
    keys.ensure_keys(tmp_path)
    assert keys.load_key(tmp_path, keys.REVIEW) == first
    assert keys.load_public(tmp_path, keys.REVIEW) == first.public
    assert {p.stat().st_mode & 0o777 for p in tmp_path.glob("*.key")} == {0o600}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it."""
    keys.ensure_keys(tmp_path)
    (tmp_path / "operator.key").chmod(0o644)
    with pytest.raises(ConfigError, match="other users") as e:
        keys.load_key(tmp_path, keys.OPERATOR)
    assert "chmod 600" in e.value.remedy


@pytest.mark.parametrize("content", ["", "zz", "00"])
def test_a_malformed_key_is_refused(tmp_path: Path, content: str) -> None:
    """Rather than a key nobody chose being made of it."""
    path = tmp_path / "operator.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="hex digits"):
        keys.load_key(tmp_path, keys.OPERATOR)


def test_a_signature_holds_for_what_was_signed_and_nothing_else() -> None:
    """Any change, another key or no signature at all is refused."""
    key = SigningKey.generate()
    trusted = {key.key_id: key.public}
    signed = key.sign({"a": 1, "b": ["x"]})
    assert verify(signed, trusted)
    assert not verify(signed | {"a": 2}, trusted)
    assert not verify({k: v for k, v in signed.items() if k != "signature"}, trusted)
    assert not verify(signed | {"signature": "!"}, trusted)
    assert not verify(signed, {key.key_id: SigningKey.generate().public})
    assert not verify(signed, {})
    assert key.seed.hex() not in repr(key)
