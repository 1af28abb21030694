"""A Ray cluster of two nodes on this machine, one of which can be lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

import psutil

from rivergate.runtime.kafka.addresses import free_port

START_S = 120.0
HEALTH = {"health_check_period_ms": 500, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
"""A lost node is noticed after some 2 s; Ray's own settings make it 15 s."""
MODE, TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"
MARK = "second_node"
"""A resource that the second node alone has; its raylet's command line names it."""


class RayNodes:
    """`with` starts both nodes and has our environment lead there; all of it ends with the block. One thread."""

    def __init__(self) -> None:
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a short path: sockets go below it
        (self._folder / "token").write_text("0" * 64)
        self._before = {name: os.environ.get(name) for name in (MODE, TOKEN)}

    def __enter__(self) -> Self:
        os.environ.update({MODE: "token", TOKEN: str(self._folder / "token")})
        self._start("--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder}/ray",
                    f"--system-config={json.dumps(HEALTH)}")  # fmt: skip
        self.start_second()
        return self

    def __exit__(self, *_: object) -> None:
        for process in psutil.process_iter(["cmdline"]):
            with contextlib.suppress(psutil.Error):
                if any(str(self._folder) in part for part in process.info["cmdline"] or ()):
                    process.kill()
        for name, value in self._before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """Where the cluster is."""
        return f"127.0.0.1:{self._port}"

    def start_second(self) -> None:
        """Start the second node, or another in its place."""
        self._start(f"--address={self.address}", f"--resources={json.dumps({MARK: 1})}")

    def on_second(self, pid: int) -> bool:
        """Whether a process runs on the second node."""
        second = self._second()
        with contextlib.suppress(psutil.Error):
            return second is not None and second in psutil.Process(pid).parents()
        return False

    def kill_second(self) -> None:
        """SIGKILL for its raylet and all that it has started."""
        second = self._second()
        if second is not None:
            for process in [second, *second.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def _second(self) -> psutil.Process | None:
        for process in psutil.process_iter(["name", "cmdline"]):
            command = " ".join(process.info["cmdline"] or ())
            if process.info["name"] == "raylet" and str(self._folder) in command and MARK in command:
                return process
        return None

    def _start(self, *options: str) -> None:
        subprocess.run(
            [str(Path(sys.executable).with_name("ray")), "start", *options, "--num-cpus=2", "--disable-usage-stats",
             "--object-store-memory=80000000"],
            check=True,
            timeout=START_S,
            capture_output=True,
        )  # fmt: skip
