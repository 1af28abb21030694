"""The harness's own parts, without a broker: what follows from a seed, what the checks find, what the summary counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.app.learner import Learner
from tests.chaos.app.truths import features_of
from tests.chaos.checks import effects, inputs, model, readers
from tests.chaos.checks.wire import KINDS
from tests.chaos.checks.world import World
from tests.chaos.feeder import SOURCE, Fed
from tests.chaos.findings import Kind
from tests.chaos.plan import RoundPlan, plan_round
from tests.chaos.readers import fingerprint
from tests.chaos.strikes import ALL, FAMILIES, RAY_ALONE, chosen
from tests.chaos.summary import quantile
from tests.checker.evidence import Evidence
from tests.checker.line import Line

APP = "w"
EVENTS = 3


def plan(seed: int, host: str = "local") -> RoundPlan:
    """A round's plan."""
    return plan_round(seed, host, "all", events=700, rate=70.0, strikes=3)


def test_a_plan_follows_from_its_seed() -> None:
    """Equal seeds, equal plans; the next seed's is another one."""
    assert plan(7) == plan(7)
    assert plan(7).strikes != plan(8).strikes


def test_all_faults_are_drawn() -> None:
    """Whatever has a name comes up sooner or later; what only Ray has, under Ray alone."""
    drawn = {host: {s.fault for seed in range(1500) for s in plan(seed, host).strikes} for host in ("local", "ray")}
    assert drawn["ray"] == ALL.keys()
    assert drawn["local"] == {name for family, names in FAMILIES.items() if family not in RAY_ALONE for name in names}


def test_an_unknown_fault_is_named() -> None:
    """A typo isn't a round without faults."""
    with pytest.raises(ValueError, match="no fault is named kill-everybody"):
        chosen("kill-gate,kill-everybody", "local")


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 2.0), (0.95, 4.0), (1.0, 4.0), (0.25, 1.0)])
def test_quantiles_are_values_that_were_seen(share: float, wanted: float) -> None:
    """The smallest that so large a share of all is not above."""
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == wanted


def test_no_rule_is_counted_twice() -> None:
    """Each rule of the contract goes under one counter."""
    rules = [rule for found in KINDS.values() for rule in found]
    assert len(rules) == len(set(rules))


# --- a tiny world ----------------------------------------------------------------------------------------------


def line(topic: str, offset: int, kind: str, value: dict[str, Any], **headers: str) -> Line:
    """A record of the tiny world."""
    told = {"ce_type": kind, **headers}
    return Line(topic, 0, offset, b"key", json.dumps(value).encode(), {k: v.encode() for k, v in told.items()}, offset)


def tiny_world() -> World:
    """Three readings of one key, what the agent made of them, and one closing; nothing is wrong with it."""
    learner = Learner()
    readings, seen = [], []
    for n in range(EVENTS):
        value = {"key": "key", "n": n, "wish": "", "features": features_of(n)}
        readings.append(line(f"{APP}-readings", n, "chaos.reading", value, ce_source=SOURCE, ce_id=str(n)))
        learner.see("key", n, features_of(n))
        seen.append(line(f"{APP}-seen", n, "chaos.seen", {"key": "key", "n": n, "count": n + 1}))
    readings.append(line(f"{APP}-readings", EVENTS, "chaos.closing", {"key": "key", "mark": 1}))
    standing = {"key": "key", "shard": 0, "mark": 1, "digest": learner.digest(), "learned": 0}
    commit = {
        "stage": model.STAGE,
        "shard": 0,
        "seq": 0,
        "epoch": 0,
        "clock": "",
        "code": "",
        "digest": "",
        "previous": "0" * 64,
        "worker": "a",
        "ranges": [[f"{APP}-readings", 0, 0, EVENTS + 1]],
        "broadcast": [],
        "open": [],
        "skipped": [],
        "outputs": {},
        "spans": {"records": 0, "digest": ""},
        "snapshot": None,
    }
    lines: dict[str, Sequence[Line]] = {
        f"{APP}-readings": readings,
        f"{APP}-seen": seen,
        f"{APP}-standings": [line(f"{APP}-standings", 0, "chaos.standing", standing)],
        f"{APP}.journal.{model.STAGE}": [line(f"{APP}.journal.{model.STAGE}", 0, "", commit)],
    }
    saw = {(t, 0): [(x.offset, fingerprint(x)) for x in found] for t, found in lines.items()}
    fed = [Fed(n, "key", 0, n) for n in range(EVENTS)]
    return World(Evidence(APP, lines, dict.fromkeys(lines, 1)), fed, 1, {"first": saw}, [], [])


def with_lines(topic: str, lines: Sequence[Line]) -> World:
    """The tiny world with these records on a topic."""
    world = tiny_world()
    evidence = replace(world.evidence, lines={**world.evidence.lines, f"{APP}-{topic}": lines})
    return replace(world, evidence=evidence)


def test_the_tiny_world_holds() -> None:
    """Inputs, order and readers have nothing against it; its other three shards said nothing."""
    world = tiny_world()
    assert world.evidence.journals.problems == []
    assert [*inputs.all_of_it(world), *inputs.order(world), *readers.same(world), *effects.ledger(world)] == []
    assert [f.what for f in model.offline_run(world)] == [f"shard {n} never said what it had learnt" for n in (1, 2, 3)]


def test_a_lost_and_a_doubled_event_are_found() -> None:
    """What isn't there, and what is there twice."""
    seen = tiny_world().seen
    assert [f.kind for f in inputs.all_of_it(with_lines("seen", seen[:-1]))] == [Kind.LOST]
    assert [f.kind for f in inputs.all_of_it(with_lines("seen", [*seen, seen[0]]))] == [Kind.DOUBLED]


def test_another_order_is_found() -> None:
    """The same records, two of them exchanged."""
    seen = tiny_world().seen
    found = [*inputs.order(with_lines("seen", [seen[1], seen[0], seen[2]]))]
    assert {f.kind for f in found} == {Kind.REORDERED}


def test_another_model_is_found() -> None:
    """A shard that says something else than the offline run reaches."""
    told = tiny_world().lines("standings")[0]
    value = {**(told.json or {}), "digest": "0" * 64}
    other = line(told.topic, told.offset, told.kind, value)
    found = [f for f in model.offline_run(with_lines("standings", [other])) if f.kind is Kind.DIGEST_MISMATCH]
    assert len(found) == 1


def test_readers_that_saw_something_else_are_found() -> None:
    """A record that is gone at the end, one that was never seen, and one seen twice."""
    world = tiny_world()
    place = (f"{APP}-seen", 0)
    saw = world.meanwhile["first"][place]
    kinds = []
    for other in ([*saw, (99, b"phantom")], saw[:-1], [*saw, saw[-1]]):
        first = {**world.meanwhile["first"], place: other}
        kinds.append([f.kind for f in readers.same(replace(world, meanwhile={"first": first}))])
    assert kinds == [[Kind.UNEXPLAINED], [Kind.LOST], [Kind.REORDERED]]


def test_what_came_while_the_topics_were_read_for_the_last_time_is_no_phantom() -> None:
    """One reader may see it alone, the last one too. What stands before the end has to be the same for all."""
    world = tiny_world()
    place = (f"{APP}-seen", 0)
    saw = world.meanwhile["first"][place]
    first = {**world.meanwhile["first"], place: [*saw, (99, b"later")]}
    ended = replace(world, meanwhile={"first": first}, ends={place: 99})
    assert [*readers.same(ended)] == []
    assert [f.kind for f in readers.same(replace(ended, ends={place: 100}))] == [Kind.UNEXPLAINED]
    last = replace(world, meanwhile={"first": {**first, place: saw[:-1]}}, ends={place: saw[-1][0]})
    assert [*readers.same(last)] == []


def test_a_deed_done_twice_and_what_nobody_should_have_to_tell_are_found() -> None:
    """An action done twice under its own id, an idempotent one said to be unknown, one said to have had no effect."""
    deed = {"proposal_id": "a", "kind": "order", "event_id": "e", "arguments": {}, "at_ms": 0}
    actions = [
        line(f"{APP}.actions", n, "rivergate.action.v1", {"proposal_id": p, "kind": "order", "arguments": {}})
        for n, p in enumerate("ab")
    ]
    outcomes = [
        line(f"{APP}.outcomes", 0, "rivergate.outcome.v1", {"proposal_id": "b", "status": "unknown"}),
        line(f"{APP}.outcomes", 1, "rivergate.outcome.v1", {"proposal_id": "a", "status": "failed", "effect": "none"}),
    ]
    world = tiny_world()
    lines = {**world.evidence.lines, f"{APP}.actions": actions, f"{APP}.outcomes": outcomes}
    world = replace(world, evidence=replace(world.evidence, lines=lines), deeds=[deed, deed])
    assert [f.what for f in effects.ledger(world) if f.kind is Kind.EFFECTS_DOUBLED] == [
        "order a was done 2 times",
    ]
    assert [f.what for f in effects.ledger(world) if f.kind is Kind.UNEXPLAINED] == [
        "a is said to have left no effect and is in the ledger",
        "nobody knows whether order b was done, who could be asked",
    ]


def test_deeds_without_an_action_and_deeds_done_twice_are_found() -> None:
    """By what was done to which event, whatever the ids say."""
    deed = {"proposal_id": "a", "kind": "note", "event_id": "e", "arguments": {}, "at_ms": 0}
    world = replace(tiny_world(), deeds=[deed, {**deed, "proposal_id": "b"}], asked=[deed])
    found = [f.kind for f in effects.ledger(world)]
    assert found.count(Kind.EFFECTS_DOUBLED) == 1
    assert found.count(Kind.UNEXPLAINED) == 3, "two without an action, one without an intent"
