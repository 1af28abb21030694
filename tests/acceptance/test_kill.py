"""SIGKILL in the middle of a run, of each kind of stage: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path

import pytest
from tests.acceptance.command import Start, orders_in, process_of, until
from tests.acceptance.holding import check_report, check_world, demo, report_of
from tests.checker.reading import gather

from rivergate.runtime.kafka import LocalKafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVENTS, RATE = 1500, 250
START_S, END_S = 90.0, 110.0
VICTIMS = {"agent-watcher-0": 4, "gate-0": 12, "effects-0": 20}
"""Who is killed once so many work orders are written."""


@pytest.mark.parametrize("host", ["local", "ray"])
def test_killed_stages_lose_and_double_nothing(
    start: Start, kafka: LocalKafka, app: str, tmp_path: Path, host: str
) -> None:
    """A worker of the agent, the gate and effects are killed; whoever takes over goes on where they stood."""
    data = tmp_path / "data"
    command = start(*demo(app, data, host, EVENTS, "--rate", str(RATE), "--bootstrap", kafka.bootstrap))
    for slot, orders in VICTIMS.items():
        until(partial(_has, data, orders), START_S, command)
        victim = _pid(data, slot)
        os.kill(victim, signal.SIGKILL)
    orders_then = len(orders_in(data))
    assert command.wait(END_S) == 0, command.err
    report = report_of(command)
    assert report["actions"] > orders_then, "the kills came after everything was done"
    check_report(report, EVENTS, host)
    check_world(kafka.bootstrap, app, data, report["actions"])
    assert _taken_over(kafka.bootstrap, app) == {"agent-watcher", "gate", "effects"}


def _has(data: Path, orders: int) -> bool:
    return len(orders_in(data)) >= orders


def _pid(data: Path, slot: str) -> int:
    found = process_of(data, slot)
    assert found is not None, f"{slot} runs nowhere"
    with contextlib.suppress(ProcessLookupError):
        os.kill(found, 0)
        return found
    raise AssertionError(f"{slot} isn't process {found}")


def _taken_over(bootstrap: str, app: str) -> set[str]:
    """Stages of which a shard had more than one owner, by the journals."""
    chains = gather(bootstrap, app, settled=True).journals.chains
    return {stage for (stage, _), chain in chains.items() if len({c.value["worker"] for c in chain}) > 1}
