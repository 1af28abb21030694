"""Hosts: where processes of ours live. The local one starts operating-system processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Protocol

from rivergate.domain.errors import StartRefused
from rivergate.runtime.environment import scrubbed
from rivergate.runtime.spec import ProcessSpec

SEE_DECLARED = ("supervisor", "agent", "graph")
"""Roles that get the variables which the app declares; the supervisor hands them on to agents, under Ray too."""


class Running(Protocol):
    """One incarnation of a process. Any thread; no method waits."""

    @property
    def pid(self) -> int:
        """Process id, 0 while it isn't known."""

    def alive(self) -> bool:
        """Whether it still runs."""

    def why_ended(self) -> str:
        """A few words on how it ended."""

    def never_began(self) -> bool:
        """Whether one that has ended never began, since its host was filling its place anew: a start says more later."""

    def ask_to_stop(self) -> None:
        """Ask it to end in good order."""

    def kill(self) -> None:
        """End it at once."""

    def kill_hung(self) -> None:
        """End it at once although it answers nothing; another may be started in its place."""


class Host(Protocol):
    """Starts processes. One thread."""

    def start(self, spec: ProcessSpec) -> Running:
        """Start this incarnation. Raises `StartRefused`."""

    def close(self) -> None:
        """Leave nothing behind. Called once every process has ended or been killed."""


class LocalHost:
    """Processes of this machine, each with a log file, each ending with us: their standard input is our pipe."""

    def start(self, spec: ProcessSpec) -> Running:
        """See `Host.start`."""
        try:
            return LocalProcess(spec)
        except OSError as e:
            raise StartRefused(
                f"no process can be started for {spec.incarnation}: {e.strerror}",
                where=str(e.filename or ""),
                remedy="see to memory, disk space, and limits on processes and open files (`ulimit -u`, `ulimit -n`)",
            ) from e

    def close(self) -> None:
        """Nothing is held."""


class LocalProcess:
    """See `Running`. `spec.options["log"]` names its log file within the folder of logs."""

    def __init__(self, spec: ProcessSpec) -> None:
        log = spec.data.logs / f"{spec.options.get('log', spec.incarnation)}.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rivergate.runtime.process", spec.to_json()],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=scrubbed(os.environ, spec.app.environment if spec.role in SEE_DECLARED else ()),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def why_ended(self) -> str:
        """Its exit code or signal."""
        code = self._process.poll()
        return "runs" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"

    def never_began(self) -> bool:
        """Never so: the system makes a process, or says that it can't."""
        return False

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, and take its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def kill_hung(self) -> None:
        """SIGKILL, which ends a stopped process too."""
        self.kill()
