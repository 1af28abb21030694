from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from rivergate.demos.shuttle.ledger import Ledger
from rivergate.demos.shuttle.report import Replayed, Report, report
from rivergate.domain import names
from rivergate.domain.record import Record

GOOD = Replayed(shards=2, identical=True, labels=1, accuracy=0.9, balanced_accuracy=0.9, baseline_accuracy=0.8)
ALLOWED, REVIEWED, DENIED, EXPIRED = (f"{n:032x}" for n in range(4))


def record(topic: str, offset: int, value: Any, ce_type: str = "", **headers: str) -> Record:
    """A record on partition 0."""
    given = [("ce_type", ce_type.encode()), *((k, v.encode()) for k, v in headers.items())]
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return Record(topic, 0, offset, None, raw, given, 1000 + offset)


def span(name: str, pid: str) -> bytes:
    """A record of `otlp_spans` with one span."""
    found = Span(name=name)
    found.attributes.add(key="rivergate.proposal.id").value.string_value = pid
    return TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[found])])]).SerializeToString()


class World:
    """A small app's topics, clean: four events, of whose proposals each ends in another way."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.commits: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, int] = {}
        self.strays: list[bytes] = []
        for n in range(4):
            self.put("shuttle-telemetry", {}, "shuttle.reading", ce_source="/demo", ce_id=str(n))
        self.put("shuttle.labels", {"event_id": "/demo#0", "value": True}, names.LABEL_V1)
        for pid in (ALLOWED, REVIEWED, DENIED, EXPIRED):
            self.write("agent-watcher", "proposals", names.PROPOSAL_V1, {"proposal_id": pid})
            kind = "gate inspect" if pid == ALLOWED else "gate shut_down"
            self.write("gate", "otlp_spans", "", span(kind, pid))
        for pid, verdict in ((ALLOWED, "allow"), (REVIEWED, "review")):
            self.write("gate", "actions", names.ACTION_V1, {"proposal_id": pid, "verdict": verdict})
            self.write("effects", "outcomes", names.OUTCOME_V1, {"proposal_id": pid, "status": "unknown"})
            self.write("effects", "outcomes", names.OUTCOME_V1, {"proposal_id": pid, "status": "done"})
        for pid, result in ((REVIEWED, "approved"), (EXPIRED, "expired")):
            self.write("gate", "reviews", names.REVIEW_OPENED_V1, {"proposal_id": pid})
            self.write("gate", "reviews", names.REVIEW_SETTLED_V1, {"proposal_id": pid, "result": result})
        for pid in (DENIED, EXPIRED):
            self.write("gate", "denials", names.DENIAL_V1, {"proposal_id": pid})
        for stage, topics in {
            "agent-watcher": ("shuttle-telemetry", "shuttle.labels"),
            "gate": ("shuttle.proposals", "shuttle.outcomes"),
            "effects": ("shuttle.actions",),
        }.items():
            self.commits[stage]["ranges"] = [[t, 0, 0, self.ends[t]] for t in topics]

    def put(self, topic: str, value: Any, ce_type: str, **headers: str) -> None:
        """A record from outside."""
        offset = self.ends.get(topic, 0)
        self.ends[topic] = offset + 1
        self.records.append(record(topic, offset, value, ce_type, **headers))

    def write(self, stage: str, topic: str, ce_type: str, value: Any) -> None:
        """A record of a stage's one commit."""
        commit = self.commits.setdefault(stage, {"outputs": {}, "spans": 0, "n": 0, "ranges": []})
        commit["n"] += 1
        mark = "s" if topic == "otlp_spans" else ""
        if mark:
            commit["spans"] += 1
        else:
            commit["outputs"][f"shuttle.{topic}"] = commit["outputs"].get(f"shuttle.{topic}", 0) + 1
        self.put(f"shuttle.{topic}", value, ce_type, rg_commit=f"{stage}/0/0/{mark}{commit['n']}")

    def drop(self, ce_type: str, pid: str) -> None:
        """The record is missing."""
        self.records = [r for r in self.records if not (r.ce_type == ce_type and pid.encode() in (r.value or b""))]

    def again(self, ce_type: str, pid: str) -> None:
        """The record is there twice, read and claimed."""
        found = next(r for r in self.records if r.ce_type == ce_type and pid.encode() in (r.value or b""))
        stage, _, topic = (found.header("rg_commit") or b"").decode().split("/")[0], "", found.topic
        self.write(stage, topic.removeprefix("shuttle."), ce_type, found.value)
        for commit in self.commits.values():
            commit["ranges"] = [[t, p, s, self.ends[t]] for t, p, s, _ in commit["ranges"]]

    def report(self, replayed: Replayed = GOOD) -> Report:
        """What the report says of it."""
        ledger = Ledger("shuttle", "shuttle-telemetry", "watcher")
        for r in self.records:
            ledger.add(r)
        for stage, commit in self.commits.items():
            value = {
                "stage": stage,
                "shard": 0,
                "seq": 0,
                "clock": "2026-01-01T00:00:00.000000Z",
                "ranges": commit["ranges"],
                "outputs": commit["outputs"],
                "spans": {"records": commit["spans"]},
            }
            ledger.add(record(f"shuttle.journal.{stage}", 2000, value))
        for raw in self.strays:
            ledger.add(Record("shuttle.journal.gate", 0, 3000, None, raw, []))
        return report(ledger, replayed, host="local", broker="local", seconds=1.0)


def test_a_stray_line_of_a_journal_is_named_and_counts_for_nothing() -> None:
    """Garbage, and valid JSON of another shape."""
    world = World()
    world.strays = [b"garbage", b'{"stage": "gate"}']
    found = world.report()
    assert (found.problems, found.strays) == ((), ("shuttle.journal.gate/0/3000",) * 2)


def test_a_clean_run_holds() -> None:
    """Every figure is what one counts by hand, and nothing is complained of."""
    found = World().report()
    assert found.problems == ()
    assert (found.events, found.processed, found.labels, found.learned, found.spans) == (4, 4, 1, 1, 4)
    assert (found.proposals, found.allowed, found.denied, found.reviewed) == (4, 1, 1, 2)
    assert (found.approved, found.rejected, found.expired) == (1, 0, 1)
    assert (found.actions, found.executed, found.outcomes) == (2, 2, 2)
    assert (found.lost, found.doubled, found.actions_without_trace, found.dead_letters) == (0, 0, 0, 0)
    assert found.events_per_s == pytest.approx(4 / 2, rel=0.01)


def unread_event(w: World) -> None:
    """The last event was never read."""
    w.commits["agent-watcher"]["ranges"][0] = ["shuttle-telemetry", 0, 0, 3]


def unread_label(w: World) -> None:
    """The labels were never read."""
    w.commits["agent-watcher"]["ranges"].pop()


def unheard_outcome(w: World) -> None:
    """The gate never read the outcomes."""
    w.commits["gate"]["ranges"].pop()


def claimed_output(w: World) -> None:
    """A commit claims a label that isn't there."""
    w.commits["gate"]["outputs"]["shuttle.labels"] = 1


LOST: dict[str, tuple[Callable[[World], None], str]] = {
    "event": (unread_event, "unread by agent-watcher on shuttle-telemetry"),
    "label": (unread_label, "unread by agent-watcher on shuttle.labels"),
    "outcome unheard": (unheard_outcome, "unread by gate on shuttle.outcomes"),
    "output": (claimed_output, "outputs that a commit claims"),
    "denial": (lambda w: w.drop(names.DENIAL_V1, DENIED), "proposals without an end"),
    "settlement": (lambda w: w.drop(names.REVIEW_SETTLED_V1, EXPIRED), "reviews that wait"),
    "approved action": (lambda w: w.drop(names.ACTION_V1, REVIEWED), "approvals without an action"),
    "outcome": (lambda w: w.drop(names.OUTCOME_V1, ALLOWED), "actions without a final outcome"),
}


@pytest.mark.parametrize("fault", LOST)
def test_what_is_lost_turns_red(fault: str) -> None:
    """Whatever is left out, the report counts it and names it."""
    world = World()
    plant, what = LOST[fault]
    plant(world)
    found = world.report()
    assert what in found.losses
    assert found.lost >= 1
    assert any(p.startswith("lost: ") for p in found.problems)


def overlapping(w: World) -> None:
    """The last event was read in two commits."""
    w.commits["agent-watcher"]["ranges"].append(["shuttle-telemetry", 0, 3, 4])


def same_event_id(w: World) -> None:
    """A producer used an id twice."""
    w.put("shuttle-telemetry", {}, "shuttle.reading", ce_source="/demo", ce_id="0")


def dead_twice(w: World) -> None:
    """A record was set aside twice."""
    for _ in range(2):
        w.put("shuttle.dead_letters", b"", "", rg_origin="shuttle-telemetry/0/1")


def stray_output(w: World) -> None:
    """An output of a commit that doesn't count it."""
    w.put("shuttle.messages", {}, "", rg_commit="gate/0/0/99")


DOUBLED: dict[str, tuple[Callable[[World], None], str]] = {
    "event read": (overlapping, "records read twice"),
    "event id": (same_event_id, "event ids"),
    "dead letter": (dead_twice, "dead letters"),
    "stray output": (stray_output, "outputs that no commit claims"),
    "proposal": (lambda w: w.again(names.PROPOSAL_V1, ALLOWED), "proposals"),
    "review": (lambda w: w.again(names.REVIEW_OPENED_V1, REVIEWED), "reviews opened"),
    "settlement": (lambda w: w.again(names.REVIEW_SETTLED_V1, REVIEWED), "reviews settled"),
    "denial": (lambda w: w.again(names.DENIAL_V1, DENIED), "denials"),
    "action": (lambda w: w.again(names.ACTION_V1, ALLOWED), "actions"),
}


@pytest.mark.parametrize("fault", DOUBLED)
def test_what_is_doubled_turns_red(fault: str) -> None:
    """Whatever is there once too often, the report counts it and names it."""
    world = World()
    plant, what = DOUBLED[fault]
    plant(world)
    found = world.report()
    assert found.doubles == {what: 1}
    assert any(p == f"doubled: 1 {what}" for p in found.problems)


def test_two_final_outcomes_turn_red() -> None:
    """An action that ended twice is doubled, and no longer one that was executed once."""
    world = World()
    world.write("effects", "outcomes", names.OUTCOME_V1, {"proposal_id": ALLOWED, "status": "done"})
    assert world.report().doubles == {"final outcomes": 1}


def test_an_action_without_trace_turns_red() -> None:
    """An action whose proposal has no gate span is a problem of its own."""
    world = World()
    world.records = [
        r for r in world.records if not (r.topic.endswith("spans") and ALLOWED.encode() in (r.value or b""))
    ]
    found = world.report()
    assert found.actions_without_trace == 1
    assert "1 actions have no gate span" in found.problems


@pytest.mark.parametrize(
    ("replayed", "problem"),
    [
        (Replayed(2, identical=True, balanced_accuracy=0.5), "balanced accuracy 0.5 is below 0.6"),
        (Replayed(2, identical=False, balanced_accuracy=0.9, differences=("gate/0: x",)), "replay: gate/0: x"),
        (Replayed(balanced_accuracy=0.9), "nothing was replayed"),
    ],
)
def test_a_bad_replay_turns_red(replayed: Replayed, problem: str) -> None:
    """Too little accuracy, a difference, or no replay at all: each is said."""
    assert World().report(replayed).problems == (problem,)


def test_what_the_replay_printed_is_read() -> None:
    """Differences name their shard; without any the replay was identical."""
    shards = [
        {"stage": "gate", "shard": 0, "difference": ""},
        {"stage": "agent-watcher", "shard": 1, "difference": "x"},
    ]
    figures = {"agent-watcher": {"labels": 3, "accuracy": 1.0, "balanced_accuracy": 1.0, "baseline_accuracy": 0.5}}
    found = Replayed.of({"shards": shards, "figures": figures}, "agent-watcher")
    assert (found.shards, found.identical, found.labels, found.differences) == (2, False, 3, ("agent-watcher/1: x",))
    assert Replayed.of({"shards": shards[:1], "figures": {}}, "agent-watcher").identical
