"""The repository's files as git sees them: tracked, or new and not ignored."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in the repository. Outside git (an unpacked sdist): every file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return tuple(sorted(p for p in ROOT.rglob("*") if p.is_file() and not _generated(p)))
    return tuple(sorted(p for name in set(listed.stdout.decode().split("\0")) if name and (p := ROOT / name).is_file()))


def _generated(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part == "__pycache__" or (part.startswith(".") and part != ".ci") for part in parts[:-1])


def python_files(*folders: str) -> list[Path]:
    """Python files below these folders of the repository."""
    tops = [ROOT / folder for folder in folders]
    return [p for p in tracked_files() if p.suffix == ".py" and any(p.is_relative_to(top) for top in tops)]


def name_of(path: Path) -> str:
    """The path as a reader of the repository writes it."""
    return path.relative_to(ROOT).as_posix()
