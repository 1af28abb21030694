"""Digest of the code that folds: another digest, and a shard won't silently go on with it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from rivergate.domain.ids import framed

VERSIONED = ("rivergate", "river", "numpy", "cel-expr-python", "jsonschema-rs")


def versions() -> dict[str, str]:
    """Versions of what the state depends on, without importing it."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def code_digest(module_names: Iterable[str]) -> str:
    """Hex SHA-256 over relative paths and contents of the packages that hold these modules, and the versions."""
    parts: list[bytes] = [repr(sorted((k, v) for k, v in versions().items() if k in VERSIONED)).encode()]
    for root in sorted({_root_of(name) for name in module_names}):
        files = [root] if root.is_file() else sorted(root.rglob("*.py"))
        base = root.parent
        for path in files:
            parts += (path.relative_to(base).as_posix().encode(), path.read_bytes())
    return hashlib.sha256(framed(parts)).hexdigest()


def _root_of(module_name: str) -> Path:
    """The innermost package's folder, or the file of a module that is in none."""
    module = sys.modules[module_name]
    file = Path(str(module.__file__))
    return file.parent if module.__package__ else file
