"""The demo's report: counts of the ledger, and whether they hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rivergate.demos.shuttle.coverage import coverage
from rivergate.demos.shuttle.ledger import Ledger

ACCURATE_ENOUGH = 0.6
"""Balanced accuracy that the demo demands of its agent."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a process of its own reached when it folded every shard again from nothing."""

    shards: int = 0
    identical: bool = False
    labels: int = 0
    accuracy: float = 0.0
    balanced_accuracy: float = 0.0
    baseline_accuracy: float = 0.0
    differences: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any], stage: str) -> Replayed:
        """What `rivergate.runtime.replay.replaying` printed, as far as the report needs it."""
        shards = found["shards"]
        figures = found["figures"].get(stage, {})
        wrong = tuple(f"{s['stage']}/{s['shard']}: {s['difference']}" for s in shards if s["difference"])
        return cls(
            shards=len(shards),
            identical=bool(shards) and not wrong,
            labels=figures.get("labels", 0),
            accuracy=figures.get("accuracy", 0.0),
            balanced_accuracy=figures.get("balanced_accuracy", 0.0),
            baseline_accuracy=figures.get("baseline_accuracy", 0.0),
            differences=wrong,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What the issue's list names. `denied` is without a review; `outcomes` are final; `learned` the labels that
    the replayed state has learnt from. `losses` and `doubles` say what `lost` and `doubled` are made of; `strays` are
    places of lines in journals that somebody else wrote.
    """

    host: str
    broker: str
    events: int
    processed: int
    proposals: int
    allowed: int
    denied: int
    reviewed: int
    approved: int
    rejected: int
    expired: int
    actions: int
    executed: int
    outcomes: int
    labels: int
    learned: int
    accuracy: float
    balanced_accuracy: float
    baseline_accuracy: float
    dead_letters: int
    spans: int
    actions_without_trace: int
    lost: int
    doubled: int
    events_per_s: float
    seconds: float
    replayed_shards: int
    replay_identical: bool
    modified: int = 0
    losses: dict[str, int] = field(default_factory=dict)
    doubles: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def losses(ledger: Ledger) -> dict[str, int]:
    """What began and has no end, by kind; empty once everything has settled."""
    ended = ledger.actions.keys() | ledger.denials.keys()
    missing = sum(max(0, n - len(ledger.written[commit])) for commit, n in ledger.claimed.items())
    unread = {
        f"unread by {stage} on {topic}": len(coverage(offsets, ledger.ranges[stage, (topic, partition)]).missed)
        for stage, topics in ledger.reads.items()
        for (topic, partition), offsets in sorted(ledger.offsets.items())
        if topic in topics
    }
    found = {
        "proposals without an end": len(ledger.proposals.keys() - ended - ledger.opened.keys()),
        "reviews that wait": len(ledger.opened.keys() - ledger.settled.keys()),
        "actions without a final outcome": len(ledger.actions.keys() - ledger.outcomes.keys()),
        "approvals without an action": len(
            {pid for pid, results in ledger.settled.items() if "approved" in results} - ledger.actions.keys()
        ),
        "outputs that a commit claims": missing,
    }
    return {what: n for what, n in (found | unread).items() if n}


def doubles(ledger: Ledger) -> dict[str, int]:
    """What stands on the log more often than once, or was read more often than once, by kind."""
    repeated = 0
    for (_, (topic, partition)), ranges in ledger.ranges.items():
        repeated += len(coverage(ledger.offsets.get((topic, partition), []), ranges).repeated)
    found = {
        "event ids": _extra(ledger.events),
        "records read twice": repeated,
        "proposals": _extra_counts(ledger.proposals),
        "reviews opened": _extra_counts(ledger.opened),
        "reviews settled": _extra(ledger.settled),
        "denials": _extra_counts(ledger.denials),
        "actions": _extra(ledger.actions),
        "actions that were denied too": len(ledger.actions.keys() & ledger.denials.keys()),
        "final outcomes": _extra(ledger.outcomes),
        "dead letters": _extra_counts(ledger.dead_letters),
        "outputs of one place in a commit": ledger.written_twice,
        "outputs that no commit claims": sum(
            max(0, len(numbers) - ledger.claimed[commit]) for commit, numbers in ledger.written.items()
        ),
    }
    return {what: n for what, n in found.items() if n}


def report(ledger: Ledger, replayed: Replayed, *, host: str, broker: str, seconds: float) -> Report:
    """Count, and say what doesn't hold."""
    verdicts = [v for found in ledger.actions.values() for v in found]
    results = [r for found in ledger.settled.values() for r in found]
    statuses = [s for found in ledger.outcomes.values() for s in found]
    events = sum(len(found) for found in ledger.events.values())
    unread = 0
    for (topic, partition), offsets in ledger.offsets.items():
        if topic == ledger.telemetry:
            unread += len(coverage(offsets, ledger.ranges[ledger.agent_stage, (topic, partition)]).missed)
    took_s = (ledger.last_commit_ms - ledger.first_event_ms) / 1000
    lost, doubled = losses(ledger), doubles(ledger)
    counts: dict[str, Any] = {
        "host": host,
        "broker": broker,
        "events": events,
        "processed": events - unread,
        "proposals": len(ledger.proposals),
        "allowed": verdicts.count("allow") + verdicts.count("modify"),
        "modified": verdicts.count("modify"),
        "denied": len(ledger.denials.keys() - ledger.opened.keys()),
        "reviewed": len(ledger.opened),
        "approved": results.count("approved"),
        "rejected": results.count("rejected"),
        "expired": results.count("expired"),
        "actions": len(ledger.actions),
        "executed": statuses.count("done"),
        "outcomes": len(statuses),
        "labels": len(ledger.labels),
        "learned": replayed.labels,
        "accuracy": round(replayed.accuracy, 4),
        "balanced_accuracy": round(replayed.balanced_accuracy, 4),
        "baseline_accuracy": round(replayed.baseline_accuracy, 4),
        "dead_letters": ledger.dead_letters.total(),
        "spans": ledger.spans,
        "actions_without_trace": len(ledger.actions.keys() - ledger.judged),
        "lost": sum(lost.values()),
        "doubled": sum(doubled.values()),
        "events_per_s": round(ledger.recent_events / took_s, 1) if took_s > 0 else 0.0,
        "seconds": round(seconds, 1),
        "replayed_shards": replayed.shards,
        "replay_identical": replayed.identical,
    }
    problems = tuple(_problems(counts, lost, doubled, replayed))
    return Report(**counts, losses=lost, doubles=doubled, problems=problems, strays=tuple(ledger.strays))


def _problems(
    counts: Mapping[str, Any], lost: Mapping[str, int], doubled: Mapping[str, int], replayed: Replayed
) -> list[str]:
    found = [f"lost: {n} {what}" for what, n in lost.items()]
    found += [f"doubled: {n} {what}" for what, n in doubled.items()]
    if counts["actions_without_trace"]:
        found.append(f"{counts['actions_without_trace']} actions have no gate span")
    ends = counts["allowed"] + counts["denied"] + counts["reviewed"]
    if counts["proposals"] != ends:
        found.append(f"{counts['proposals']} proposals, but {ends} were allowed, denied or reviewed")
    if counts["actions"] != counts["executed"]:
        found.append(f"{counts['actions']} actions, but {counts['executed']} were executed")
    if counts["balanced_accuracy"] < ACCURATE_ENOUGH:
        found.append(f"balanced accuracy {counts['balanced_accuracy']} is below {ACCURATE_ENOUGH}")
    found += [f"replay: {difference}" for difference in replayed.differences]
    if not replayed.identical and not replayed.differences:
        found.append("nothing was replayed")
    return found


def _extra(found: Mapping[str, list[Any]]) -> int:
    return sum(len(x) - 1 for x in found.values() if len(x) > 1)


def _extra_counts(found: Mapping[str, int]) -> int:
    return sum(n - 1 for n in found.values() if n > 1)
