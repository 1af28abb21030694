"""The lock file: which jars Apache Kafka is made of, to the byte."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of the class path. `coordinate` is `group:artifact:version`, `size` counts bytes."""

    coordinate: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """The file's name in its folder."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


@dataclass(frozen=True, slots=True)
class Lock:
    """All jars, in the order of the class path, and Kafka's version."""

    version: str
    jars: tuple[Jar, ...]

    @property
    def digest(self) -> str:
        """Hex SHA-256 over names and digests: equal for equal class paths."""
        lines = "".join(f"{jar.coordinate} {jar.sha256}\n" for jar in self.jars)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all jars together."""
        return sum(jar.size for jar in self.jars)


def parse_lock(text: str) -> Lock:
    """Read the lock file's TOML."""
    table = tomllib.loads(text)
    return Lock(table["version"], tuple(Jar(**entry) for entry in table["jar"]))


def render_lock(lock: Lock) -> str:
    """Write what `parse_lock` reads."""
    head = f'# Written by `python -m rivergate.runtime.kafka.relock` from jgo.toml.\nversion = "{lock.version}"\n'
    entries = (
        f'\n[[jar]]\ncoordinate = "{jar.coordinate}"\nsize = {jar.size}\nsha256 = "{jar.sha256}"\n' for jar in lock.jars
    )
    return head + "".join(entries)


@cache
def shipped_lock() -> Lock:
    """The lock that came with this version of rivergate."""
    return parse_lock(resources.files(__package__).joinpath("kafka.lock.toml").read_text(encoding="utf-8"))
