"""What an operator asks of the supervisor on this machine: files in the data directory.

A command is taken once. What is parked stays so, over every restart, as long as its file is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rivergate.domain.errors import BadInput
from rivergate.runtime.paths import DataDir

_RESUME = "resume"


def parse_shard(text: str) -> tuple[str, int]:
    """`STAGE/SHARD` as its two parts. Raises `BadInput`."""
    stage, _, number = text.rpartition("/")
    if not stage or not number.isdigit():
        raise BadInput(f"{text!r} names no shard", remedy="write STAGE/SHARD, as in agent-watcher/0")
    return stage, int(number)


def park(data: DataDir, stage: str, shard: int, why: str) -> None:
    """Have the supervisor stop a shard, until it is resumed."""
    data.parked.mkdir(mode=0o700, exist_ok=True)
    aside = data.root / f"parked-{stage}.{shard}.part"
    aside.write_text(why)
    aside.replace(data.parked / f"{stage}.{shard}")


def parked(data: DataDir) -> dict[tuple[str, int], str]:
    """Shards that an operator has parked, and why."""
    found = {}
    for path in data.parked.glob("*.*"):
        stage, _, shard = path.name.rpartition(".")
        with contextlib.suppress(OSError, ValueError):  # resumed just now, or no shard's
            found[stage, int(shard)] = path.read_text()
    return found


def unpark(data: DataDir, stage: str, shard: int) -> bool:
    """Let a shard that an operator has parked run again; False where none had."""
    try:
        (data.parked / f"{stage}.{shard}").unlink()
    except FileNotFoundError:
        return False
    return True


def ask_to_resume(data: DataDir, stage: str, shard: int) -> None:
    """Have the supervisor start a shard again that has parked itself."""
    folder = data.root / "commands"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{_RESUME}.{stage}.{shard}").touch()


def take_resumes(data: DataDir) -> Iterator[tuple[str, int]]:
    """Shards that somebody asked to resume; each is given once."""
    for path in (data.root / "commands").glob(f"{_RESUME}.*"):
        stage, _, shard = path.name.removeprefix(f"{_RESUME}.").rpartition(".")
        path.unlink(missing_ok=True)
        yield stage, int(shard)
