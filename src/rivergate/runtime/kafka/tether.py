"""Keeps a child from outliving its parent. Runs as a script of its own, `python -I -S tether.py`, standard library only.

    tether.py PARENT GRACE_S FD COMMAND…

It starts the command, writes its process id to standard output, and watches standard input, a pipe whose other end the
parent holds. A line with a number means: stop within so many seconds; the pipe's end (the parent is gone) means the
same with GRACE_S. Stopping is SIGTERM, then SIGKILL. The exit code is the command's, 128 + N after signal N.

Why a process and not PR_SET_PDEATHSIG set by the parent: that signal comes when the parent's *thread* ends, and it
exists on Linux only. The tether, which has one thread, does set it on its child, for the case that it is killed itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PARENT_CHECK_S = 1.0  # a forked copy of the parent may hold the pipe open, so the parent's id is looked at, too


def die_with_tether() -> None:
    """Ask the kernel to kill this process when the tether dies (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def watch(child: subprocess.Popen[bytes], parent: int, grace_s: float, wakeup: int) -> float | None:
    """Wait until the child ends (None) or has to be stopped (the seconds it may take)."""
    while child.poll() is None:
        ready, _, _ = select.select([0, wakeup], [], [], PARENT_CHECK_S)
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 64):
            return grace_s
        if 0 in ready:
            line = os.read(0, 64)
            return float(line) if line else grace_s
        if os.getppid() != parent:
            return grace_s
    return None


def stop(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """End the child, politely first."""
    child.terminate()
    deadline = time.monotonic() + grace_s
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(max(0.0, deadline - time.monotonic()))
        return
    child.kill()


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the parent does."""
    parent, grace_s, descriptor = int(arguments[0]), float(arguments[1]), int(arguments[2])
    wakeup, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(
        arguments[3:],
        stdin=subprocess.DEVNULL,
        stdout=2,
        stderr=2,
        preexec_fn=die_with_tether,  # noqa: PLW1509 - one thread, so nothing can be locked at the fork
        pass_fds=(descriptor,),
    )
    os.write(1, f"{child.pid}\n".encode())
    os.close(1)
    allowed_s = watch(child, parent, grace_s, wakeup)
    if allowed_s is not None:
        stop(child, allowed_s)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
