"""Tiny stand-ins for Kafka's jars, and a fetch that needs no network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from rivergate.runtime.kafka.errors import DistributionUnavailable
from rivergate.runtime.kafka.lock import Jar, Lock

CONTENT = {"org.example:one:1.0": b"first jar", "org.example:two:2.0": b"second jar", "org.example:three:3.0": b"third"}


def tiny_lock() -> Lock:
    """A lock of three small files."""
    jars = (Jar(c, len(content), hashlib.sha256(content).hexdigest()) for c, content in CONTENT.items())
    return Lock("9.9.9", tuple(jars))


class Shelf:
    """A fetch that serves `content` and counts what was asked for; what isn't there can't be downloaded."""

    def __init__(self, content: dict[str, bytes] | None = None) -> None:
        self.content = dict(CONTENT) if content is None else content
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
        with self._lock:
            self.asked.append(jar.coordinate)
        if jar.coordinate not in self.content:
            raise DistributionUnavailable(f"couldn't download {jar.file} (no connection)", remedy="check the network")
        path = folder / jar.coordinate.replace(":", "_")
        path.write_bytes(self.content[jar.coordinate])
        arrived(jar.size)
        return path
