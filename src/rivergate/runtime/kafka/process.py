"""A child process that can't outlive us and that a Ctrl-C in our terminal doesn't reach."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

GRACE_S = 5.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def scrubbed_environment(full: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a broker needs of our environment: no credentials, and no options for Java that somebody left there."""
    return {name: full[name] for name in _KEPT if name in full}


class TetheredProcess:
    """A command run under `tether.py`. Not thread-safe.

    `pid` is the command's own process, 0 if it couldn't be started at all. Its output goes to `output`, which is begun
    anew. The descriptor `keep_open` stays open in it, with any lock on it.
    """

    def __init__(self, command: Sequence[str], *, folder: Path, output: Path, keep_open: int) -> None:
        script = Path(__file__).with_name("tether.py")
        tether = [sys.executable, "-I", "-S", str(script), str(os.getpid()), str(GRACE_S), str(keep_open)]
        with output.open("wb") as sink:
            self._tether = subprocess.Popen(
                [*tether, *command],
                cwd=folder,
                env=scrubbed_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
                pass_fds=(keep_open,),
            )
        with cast("IO[bytes]", self._tether.stdout) as said:
            self.pid = int(said.readline() or 0)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._tether.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: its code, 128 + N after signal N, None while it runs."""
        return self._tether.poll()

    def stop(self, timeout_s: float) -> None:
        """SIGTERM, SIGKILL after `timeout_s`; returns when it has ended."""
        pipe = cast("IO[bytes]", self._tether.stdin)
        if not pipe.closed:
            with contextlib.suppress(BrokenPipeError), pipe:
                pipe.write(f"{timeout_s}\n".encode())
        self._tether.wait()

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when it has ended."""
        if self.alive and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.stop(0.0)
