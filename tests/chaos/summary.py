"""The summary: one JSON object over all rounds, the last thing on stdout."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.chaos.findings import Kind
from tests.chaos.playing import Report

KILLED_STAGES = ("kill-agent", "kill-gate", "kill-effects")
"""Kills that strike shards; a broker or a supervisor comes back on other terms."""


def summary(reports: Sequence[Report]) -> dict[str, Any]:
    """Counts of all rounds. The recovery figures are of killed stages; `recovery_by_fault` has the rest."""
    found = Counter(f.kind for r in reports for f in r.found)
    faults: Counter[str] = Counter()
    recoveries: dict[str, list[float]] = defaultdict(list)
    for report in reports:
        faults.update(report.struck)
        for fault, took_s in report.recoveries:
            recoveries[fault].append(took_s)
    kills = sorted(s for fault in KILLED_STAGES for s in recoveries.get(fault, ()))
    return {
        "rounds": len(reports),
        "seeds": [r.plan.seed for r in reports],
        "faults": dict(sorted(faults.items())),
        **{kind.value: found[kind] for kind in Kind},
        "recovery_p50_s": quantile(kills, 0.5),
        "recovery_p95_s": quantile(kills, 0.95),
        "recovery_max_s": quantile(kills, 1.0),
        "recovery_by_fault": {
            fault: {"n": len(times), "p50_s": quantile(times, 0.5), "p95_s": quantile(times, 0.95), "max_s": max(times)}
            for fault, times in sorted(recoveries.items())
        },
        "actions": sum(r.actions for r in reports),
        "failed_seeds": [r.plan.seed for r in reports if r.found],
        "hosts": sorted({r.plan.host for r in reports}),
        "seconds": round(sum(r.seconds for r in reports), 1),
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below so large a share of them; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1))], 3)
