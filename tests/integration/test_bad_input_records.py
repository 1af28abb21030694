"""Records that nobody should write: each is kept with its reason, stops nobody, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.checker import check
from tests.integration.bad_world import STAGE, World, until

from rivergate.runtime.kafka import LocalKafka

GARBAGE = [b"{no json", b"[]", b"\xff\xfe", b""]
EVENTS = {
    0: {"n": 0},
    1: b"{no json",
    2: {"n": "three"},
    3: {"n": 3, "fail": True},
    4: b"null",
    5: {"n": 2**60},
    6: b"\xff\xfe",
    7: {"n": 7},
    8: {"n": 8, "size": 2_000_000},
    9: b"{" + b"x" * 1_040_000,
}
REASONS = {
    1: "Invalid JSON",
    2: "field n",
    3: "told to fail at 3",
    4: "object",
    5: "below 2**53",
    6: "Invalid JSON",
    8: "above the limit of 900,000",
    9: "Invalid JSON",
}
TOPICS = (
    "proposals",
    "actions",
    "outcomes",
    "decisions",
    "labels",
    "control",
    "control_applied",
    "assignments",
    "shard_status",
    "reviews",
    "otlp_spans",
)
JUDGED = ("proposals", "actions", "outcomes", "decisions")
"""Topics whose readers are stages, which answer for every record."""


@pytest.mark.slow
def test_foreign_records_everywhere(kafka: LocalKafka, tmp_path: Path) -> None:
    """What can't be handled goes to the dead letters with its bytes and its reason; all stages and services go on, after
    a restart too; a foreign line on a journal is passed over, and the log says so.
    """
    world = World(kafka.bootstrap, tmp_path)
    with world.running() as session:
        world.send(EVENTS.values())
        assert until(lambda: world.done() == [0, 7])
        for topic in TOPICS:
            world.send(GARBAGE, f"{world.name}.{topic}")
        world.send({"n": n} for n in range(10, 20))
        assert until(lambda: world.done() == [0, 7, *range(10, 20)])
        letters = len(REASONS) + len(JUDGED) * len(GARBAGE)
        assert until(lambda: len(world.read("dead_letters")) == letters)
        assert session.running is not None
        before = session.running.processes
    with world.running() as again:
        world.send([{"n": 20}])
        assert until(lambda: world.done() == [0, 7, *range(10, 21)])
        assert again.running is not None
        assert {p.incarnation for p in again.running.processes}.isdisjoint(p.incarnation for p in before)
        again.demand_alive()
    found = {(r.header("rg_origin") or b"").decode(): r for r in world.read("dead_letters")}
    for offset, reason in REASONS.items():
        letter = found[f"{world.events}/0/{offset}"]
        assert reason in (letter.header("rg_reason") or b"").decode()
        if isinstance(raw := EVENTS[offset], bytes):
            assert letter.value == raw
    for name in ("supervisor", f"{STAGE}-0", "gate-0", "effects-0", "review", "audit"):
        assert "Traceback" not in world.log(name), name
    world.send([b"{no json"], f"{world.name}.journal.{STAGE}")
    with world.running():
        world.send([{"n": 21}])
        assert until(lambda: world.done() == [0, 7, *range(10, 22)])
    passed_over = [line for line in world.log().splitlines() if "passed over" in line]
    assert any("not a commit record" in line for line in passed_over), world.log()


@pytest.mark.slow
def test_an_effector_that_raises(kafka: LocalKafka, tmp_path: Path) -> None:
    """What it raises is the action's outcome after its attempts; the others are done, and nothing is open."""
    world = World(kafka.bootstrap, tmp_path, "raising_effector")
    with world.running():
        world.send({"n": n} for n in range(4))
        assert until(lambda: len(world.values("outcomes", "rivergate.outcome.v1")) == 4)
        assert until(lambda: [str(f) for f in check(kafka.bootstrap, world.name)] == [])
    outcomes = world.values("outcomes", "rivergate.outcome.v1")
    assert sorted(o["status"] for o in outcomes) == ["done", "done", "failed", "failed"]
    assert {(o["detail"], o["effect"]) for o in outcomes if o["status"] == "failed"} == {
        ("OSError: the printer is on fire", "maybe")
    }
