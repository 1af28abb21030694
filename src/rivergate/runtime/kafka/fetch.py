"""Fetching jars: jgo's pure-Python Maven client, and the same for many at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rivergate.runtime.kafka.errors import DistributionUnavailable
from rivergate.runtime.kafka.lock import Jar
from rivergate.runtime.kafka.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jgo.maven import MavenContext

AT_ONCE = 8
TRIES = 3
OFFLINE_REMEDY = "check the network and the proxy settings (HTTPS_PROXY), then start again: what has arrived is kept"


class Fetch(Protocol):
    """Fetches one jar. Called from several threads at once."""

    def __call__(self, jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
        """Put the jar somewhere below `folder` and return where; `arrived` hears the bytes of each chunk.

        Raises DistributionUnavailable. The content is not verified. What `arrived` raises ends the download.
        """


class Cancelled(Exception):
    """Another download failed, so this one need not go on."""


def fetch_with_jgo(jar: Jar, folder: Path, arrived: Callable[[int], None]) -> Path:
    """Fetch from the Maven repositories of jgo's settings, the central one when they name none."""
    for attempt in range(1, TRIES + 1):
        arrived(0)  # nobody may want it any more
        try:
            return _context(folder, arrived).create_dependency(jar.coordinate).artifact.resolve()
        except Cancelled:
            raise
        except Exception as error:  # whatever jgo, requests and urllib3 raise: its text names hosts and internals
            if attempt == TRIES:
                raise DistributionUnavailable(
                    f"couldn't download {jar.file} ({_kind(error)})", remedy=OFFLINE_REMEDY
                ) from error
            for half in folder.rglob(jar.file):
                half.unlink()
            time.sleep(attempt)
    raise AssertionError  # pragma: no cover - the last attempt returns or raises


def _kind(error: Exception) -> str:
    """The error in few words, without addresses."""
    text = f"{type(error).__name__} {error}"
    known = {
        "not found in remote": "no Maven repository gave it",
        "NameResolution": "the host's name can't be resolved",
        "Proxy": "the proxy doesn't answer",
        "Timeout": "no answer in time",
        "SSL": "the secure connection failed",
        "No space left": "the disk is full",
        "Connection": "no connection",
    }
    return next((said for sign, said in known.items() if sign in text), type(error).__name__)


def _context(folder: Path, arrived: Callable[[int], None]) -> MavenContext:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    logging.getLogger("jgo").addHandler(logging.NullHandler())  # else its warnings reach the terminal

    @contextmanager
    def heard(_file: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield arrived

    context = MavenContext(resolver=PythonResolver(progress_callback=heard), repo_cache=folder, timeout=30)
    context.remote_repos = {**GlobalSettings.load().repositories, **context.remote_repos}
    return context


def fetch_all(
    jars: Sequence[Jar], folder: Path, fetch: Fetch, progress: Progress, settle: Callable[[Jar, Path], None]
) -> None:
    """Fetch many jars at once and hand each to `settle` (from the fetching thread) as soon as it is there.

    The first failure stops the others and is raised.
    """
    wanted, had, stop = sum(jar.size for jar in jars), [0], [False]

    def arrived(size: int) -> None:
        had[0] += size
        if stop[0]:
            raise Cancelled

    def one(jar: Jar) -> None:
        settle(jar, fetch(jar, folder, arrived))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        pending: set[Future[None]] = {pool.submit(one, jar) for jar in jars}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
                progress(f"downloading Apache Kafka ({wanted / 1e6:.0f} MB, once)", min(had[0] / wanted, 1.0))
                for future in done:
                    future.result()
        finally:
            stop[0] = True
            pool.shutdown(wait=False, cancel_futures=True)
