"""Asks a process of its own, and hears how far it is: replays run user code, which must not touch who asks.

The process is `python -m rivergate.runtime.replay.replaying SPEC DESCRIPTOR`. It answers on the pipe of that descriptor, a
line of JSON each: `{"tell": [what, share]}` any number of times, at last `{"answer": …}` or `{"error": {what, where,
remedy}}`. Whatever user code prints is kept apart, and shown only where the process dies.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rivergate.domain.errors import RivergateError
from rivergate.runtime.environment import scrubbed
from rivergate.runtime.session import Tell, unheard
from rivergate.runtime.spec import ProcessSpec

SILENCE_S = 600.0
"""How long it may say nothing."""
MODULE = "rivergate.runtime.replay.replaying"
_TAIL = 2000


def ask_own_process(
    spec: ProcessSpec, ask: dict[str, Any], tell: Tell = unheard, silence_s: float = SILENCE_S
) -> dict[str, Any]:
    """Start the process with this question and return its answer. Raises `RivergateError` with what it says."""
    asked = replace(spec, options=spec.options | {"ask": ask})
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, asked.to_json(), str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=scrubbed(os.environ, spec.app.environment),
            pass_fds=(writing,),
        )
        os.close(writing)
        try:
            for line in _lines(reading, silence_s):
                if "tell" in line:
                    what, share = line["tell"]
                    tell(what, share)
                elif "error" in line:
                    raise RivergateError(**line["error"])
                else:
                    found: dict[str, Any] = line["answer"]
                    return found
            code = process.wait()  # its end of the pipe is closed: it ends, or has ended
        finally:
            process.kill()
            process.wait()
            os.close(reading)
        said.seek(0)
        words = said.read().decode(errors="replace").strip()[-_TAIL:]
    raise RivergateError(f"the replay's process ended with code {code} and no answer: {words or 'it said nothing'}")


def _lines(descriptor: int, silence_s: float) -> Iterator[dict[str, Any]]:
    """Whole lines until the other side closes. Raises `RivergateError` where it falls silent."""
    begun = b""
    while True:
        if not select.select([descriptor], [], [], silence_s)[0]:
            raise RivergateError(
                f"the replay's process has said nothing for {silence_s:.0f} s",
                remedy="a record may keep the agent's code in a loop; ask for fewer commits with --from and --to",
            )
        piece = os.read(descriptor, 65536)
        if not piece:
            return
        *whole, begun = (begun + piece).split(b"\n")
        yield from map(json.loads, whole)
