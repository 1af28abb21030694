"""A worker that is stopped in mid-life, as a debugger or a swapping machine does it: somebody else takes its shards."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from rivergate.adapters.kafka_status import read_statuses
from rivergate.demos.shuttle.app import REFERENCE
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.running import StageProcess
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SILENT_S = 4.0
WAIT_S = 60.0
STAGE = "agent-watcher"


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def process(session: Session) -> StageProcess:
    """The one that runs the agent now."""
    found = session.running
    assert found is not None
    return next(p for p in found.processes if p.stage == STAGE and p.has_shards)


def owners(session: Session) -> set[str]:
    """Who runs the agent's shards, by their own reports."""
    statuses = read_statuses(session.bootstrap, session.options.app.name)
    return {s.worker for s in statuses.values() if s.stage == STAGE and s.state == "running"}


@pytest.mark.parametrize("host", ["local", "ray"])
def test_a_stopped_worker_is_replaced(kafka: LocalKafka, tmp_path: Path, host: str) -> None:
    """It is killed, and another incarnation runs all of its shards."""
    app = AppRef(REFERENCE, f"t{uuid.uuid4().hex[:8]}", 2)
    options = RunOptions(app, tmp_path, kafka.bootstrap, host, extra={"silent_s": SILENT_S})
    with running(options) as session:
        before = process(session)
        assert owners(session) == {before.incarnation}
        os.kill(before.pid, signal.SIGSTOP)
        assert until(lambda: process(session).incarnation != before.incarnation)
        assert until(lambda: owners(session) == {process(session).incarnation})
        assert "has said nothing" in (session.data.logs / "supervisor.log").read_text()
        with pytest.raises(ProcessLookupError):
            os.kill(before.pid, signal.SIGCONT)
