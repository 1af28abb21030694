"""Ctrl-C on the live demo."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.acceptance.command import Start, orders_in, state_of, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LIMIT_S = 5.0
START_S = 90.0


def slots_with(library: str, data: Path) -> set[str]:
    """Slots whose process has mapped a library with this in its path; the supervisor counts as one."""
    state = state_of(data)
    pids = {p["slot"]: p["pid"] for p in state["processes"]} | {"supervisor": state["pid"]}
    return {slot for slot, pid in pids.items() if library in Path(f"/proc/{pid}/maps").read_text()}


@pytest.mark.parametrize("host", ["local", "ray"])
def test_ctrl_c_ends_all_of_it(start: Start, app: str, tmp_path: Path, host: str) -> None:
    """It ends within five seconds and leaves no process: not Kafka, not Ray, no stage, no service. Until then agents
    alone have River in them.
    """
    data = tmp_path / "data"
    command = start("demo", "shuttle", "--app", app, "--data-dir", str(data), "--host", host)
    until(lambda: len(orders_in(data)) > 0, START_S, command)
    assert len(command.remember()) >= len(state_of(data)["processes"])
    if host == "local":
        with_river = slots_with("/river/", data)
        assert "agent-watcher-0" in with_river
        assert [slot for slot in with_river if not slot.startswith("agent-watcher-")] == []
        assert "gate-0" in slots_with("confluent_kafka", data)
    began = time.monotonic()
    command.interrupt()
    code = command.wait(30.0)
    took = time.monotonic() - began
    assert code == 0, command.err
    assert command.left() == []
    assert took <= LIMIT_S
    assert state_of(data) == {}
