"""Entry of every process of ours: `python -m rivergate.runtime.process SPEC`.

It ends by SIGTERM (in good order) and when its standard input ends, which is how it learns that its parent is gone.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from rivergate.domain.errors import RivergateError
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.garbage import collect_rarely
from rivergate.runtime.running import wait_for_topics
from rivergate.runtime.spec import ProcessSpec

_LOG = logging.getLogger("rivergate.runtime")

ORPHAN_GRACE_S = 4.0

WORKER = "rivergate.runtime.run_worker:run_worker"
ENTRIES = {
    "supervisor": "rivergate.runtime.supervision.assembly:run_supervisor",
    "review": "rivergate.web.process:run_review",
    "audit": "rivergate.runtime.services:run_audit",
    "otlp": "rivergate.runtime.services:run_otlp",
}
AFTER_TOPICS = ("review", "audit", "otlp")
"""Roles that begin once the topics are there; workers import their app first."""

Role = Callable[[ProcessSpec, threading.Event], None]


def main() -> int:
    """Run the role that the first argument describes; returns the exit code."""
    spec = ProcessSpec.from_json(sys.argv[1])
    os.umask(0o077)  # what an app keeps is its owner's alone, in a directory that others may read too
    log_to_stderr()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop)
    try:
        collect_rarely()  # before anything is imported, which else takes a tenth longer
        role = role_of(spec)
        if spec.role in AFTER_TOPICS:
            wait_for_topics(spec.data.state_file, stop)
        if not stop.is_set():
            role(spec, stop)
    except RivergateError as e:
        _LOG.error("%s ends: %s", spec.incarnation, e)
        leave_ending(spec.data, spec.incarnation, e)
        return 1
    except Exception as e:  # noqa: BLE001 - whatever it is, the log file must have it
        _LOG.exception("%s ends by a fault of rivergate", spec.incarnation)
        leave_ending(spec.data, spec.incarnation, RivergateError(f"a fault in {spec.incarnation}: {e!r}"))
        return 1
    return 0


def role_of(spec: ProcessSpec) -> Role:
    """The function that runs a role: MODULE:FUNCTION by name, since some of them live above the runtime."""
    module, _, function = ENTRIES.get(spec.role, WORKER).partition(":")
    found: Role = getattr(importlib.import_module(module), function)
    return found


def log_to_stderr() -> None:
    """Log lines with time, level and name; whoever started us has sent stderr to a file."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(threadName)s: %(message)s"
    )


def watch_parent(stop: threading.Event) -> None:
    """Stop when standard input ends; die if stopping takes longer than the grace."""

    def wait_for_end() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        if not stop.is_set():
            _LOG.warning("the parent is gone: stopping")
        stop.set()
        timer = threading.Timer(ORPHAN_GRACE_S, os._exit, (1,))
        timer.daemon = True
        timer.start()

    threading.Thread(target=wait_for_end, name="parent-watch", daemon=True).start()


def leave(code: int) -> None:
    """End at once: taking the interpreter and its libraries apart costs half a second and gives nobody anything."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
