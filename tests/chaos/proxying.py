"""The proxy as the harness holds it: a child process, told rules and asked what they struck."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Self

from tests.chaos.proxy import Rule

ANSWER_S = 15.0


class ProxyProcess:
    """Listens on `port`, passes on to `broker_port`. `with` starts and ends it. One thread tells it rules."""

    def __init__(self, port: int, broker_port: int) -> None:
        self.port = port
        self._broker_port = broker_port
        self._said: queue.Queue[dict[str, object]] = queue.Queue()
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", str(self.port), str(self._broker_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, name="proxy-said", daemon=True).start()
        self._said.get(timeout=ANSWER_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def strike(self, rule: Rule, timeout_s: float) -> int:
        """Put a rule in force and wait for it to strike; returns how often it did, and takes back what is left of it."""
        while not self._said.empty():
            self._said.get_nowait()
        self._tell({"rule": asdict(rule)})
        times = 0
        try:
            while times < rule.count:
                if self._said.get(timeout=timeout_s).get("struck") == rule.name:
                    times += 1
        except queue.Empty:
            self._tell({"withdraw": rule.name})
        return times

    def cut(self, beginning: str) -> int:
        """End the connections over which transactions with such ids were written; how many there were."""
        self._tell({"cut": beginning})
        while "cut" not in (said := self._said.get(timeout=ANSWER_S)):
            pass  # of a rule before
        return int(str(said["cut"]))

    def _tell(self, what: dict[str, object]) -> None:
        if self._process.stdin is None or self._process.poll() is not None:
            raise RuntimeError("the proxy has ended")
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._said.put(json.loads(line))
