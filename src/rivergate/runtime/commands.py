"""What an operator asks of the supervisor on this machine: files in the data directory, taken once each."""

from __future__ import annotations

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


def ask_to_resume(data: DataDir, stage: str, shard: int) -> None:
    """Have the supervisor start a parked shard again."""
    folder = data.root / "commands"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{_RESUME}.{stage}.{shard}").touch()


def take_resumes(data: DataDir) -> Iterator[tuple[str, int]]:
    """Shards that somebody asked to resume; each is given once."""
    for path in (data.root / "commands").glob(f"{_RESUME}.*"):
        stage, _, shard = path.name.removeprefix(f"{_RESUME}.").rpartition(".")
        path.unlink(missing_ok=True)
        yield stage, int(shard)
