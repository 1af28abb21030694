"""What has to hold after the demo has come to its end, by its own report and by the checker of the topics."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.acceptance.command import Command, orders_in
from tests.checker import check

from rivergate.runtime import keys

FIELDS = [
    "host",
    "broker",
    "events",
    "processed",
    "proposals",
    "allowed",
    "denied",
    "reviewed",
    "approved",
    "rejected",
    "expired",
    "actions",
    "executed",
    "outcomes",
    "labels",
    "learned",
    "accuracy",
    "balanced_accuracy",
    "baseline_accuracy",
    "dead_letters",
    "spans",
    "actions_without_trace",
    "lost",
    "doubled",
    "events_per_s",
    "seconds",
    "replayed_shards",
    "replay_identical",
]


def demo(app: str, data_dir: Path, host: str, events: int, *more: str) -> list[str]:
    """Arguments of a demo that plays so many events and reports."""
    named = ["--app", app, "--data-dir", str(data_dir), "--host", host, "--events", str(events)]
    return ["demo", "shuttle", "--exit", "--json", *named, *more]


def report_of(command: Command) -> dict[str, Any]:
    """The report: one JSON object on standard output, and nothing else there."""
    lines = command.out.splitlines()
    assert len(lines) == 1, command.out
    found: dict[str, Any] = json.loads(lines[0])
    assert [f for f in FIELDS if f not in found] == []
    return found


def check_report(r: dict[str, Any], events: int, host: str, partitions: int = 4) -> None:
    """The sums that the demo promises."""
    assert (r["host"], r["events"], r["processed"]) == (host, events, events)
    assert (r["lost"], r["doubled"], r["actions_without_trace"]) == (0, 0, 0)
    assert r["proposals"] == r["allowed"] + r["denied"] + r["reviewed"] > 0
    assert r["reviewed"] == r["approved"] + r["rejected"] + r["expired"]
    assert r["actions"] == r["allowed"] + r["approved"] == r["executed"] == r["outcomes"] > 0
    assert r["balanced_accuracy"] >= 0.6
    assert 0 < r["learned"] <= r["labels"]
    assert r["spans"] > 0
    assert r["replay_identical"] is True
    assert r["replayed_shards"] == partitions + 1, "each of the agent's shards and the gate's"


def check_world(bootstrap: str, app: str, data_dir: Path, actions: int) -> None:
    """Nothing to be found on the topics, and each action's work order once."""
    operator = keys.load_public(data_dir / "keys", keys.OPERATOR)
    assert [str(f) for f in check(bootstrap, app, operator_key=operator)] == []
    written = Counter(orders_in(data_dir))
    assert {i: n for i, n in written.items() if n > 1} == {}
    assert len(written) == actions
