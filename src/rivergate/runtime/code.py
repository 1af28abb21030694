"""Digest of the code that folds: another digest, and a shard won't silently go on with it.

A process that outlives a deployment, as an actor of a Ray cluster may, goes on with the modules that it has imported,
whatever the files say by then. So files and versions are looked at once in a process, when its code is loaded.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from rivergate.domain.ids import framed

VERSIONED = ("rivergate", "river", "numpy", "cel-expr-python", "jsonschema-rs")


_seen: dict[Path, tuple[bytes, ...]] = {}
_versions: dict[str, str] = {}


def versions() -> dict[str, str]:
    """Versions of what the state depends on, without importing it, as they were when first asked for."""
    if not _versions:
        _versions.update(_installed())
    return dict(_versions)


def _installed() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def code_digest(module_names: Iterable[str]) -> str:
    """Hex SHA-256 over relative paths and contents of the packages that hold these modules, and the versions.

    It is of the packages as they were when first asked for: ask right after the import.
    """
    parts: list[bytes] = [repr(sorted((k, v) for k, v in versions().items() if k in VERSIONED)).encode()]
    for root in sorted({_root_of(name) for name in module_names}):
        if root not in _seen:
            _seen[root] = _read(root)
        parts += _seen[root]
    return hashlib.sha256(framed(parts)).hexdigest()


def is_outdated() -> bool:
    """Whether other code is installed by now than this process was asked about: only a fresh process runs that."""
    if not _versions:
        return False  # a fresh process has told nothing yet, and needn't look at its start
    return _versions != _installed() or any(_read(root) != seen for root, seen in _seen.items())


def _read(root: Path) -> tuple[bytes, ...]:
    """Relative paths and contents of a package, or of a module that is in none; nothing where there is none any more."""
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    return tuple(x for path in files for x in (path.relative_to(root.parent).as_posix().encode(), path.read_bytes()))


def _root_of(module_name: str) -> Path:
    """The innermost package's folder, or the file of a module that is in none."""
    module = sys.modules[module_name]
    file = Path(str(module.__file__))
    return file.parent if module.__package__ else file
