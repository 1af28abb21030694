from __future__ import annotations

import pytest
from tests.unit.kernel.test_past import lived
from tests.unit.kernel.transactor_world import World, run

from rivergate.domain.record import Headers, Record
from rivergate.kernel.written import Written, written_by


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"agent-a/0/17/3", ("agent-a", 0, 17, 3)),
        (b"agent-a/0/17/s0", None),
        (b"agent/a/0/17/3", ("agent/a", 0, 17, 3)),
        (b"17", None),
        (b"\xff/0/0/0", ("\ufffd", 0, 0, 0)),
    ],
)
def test_the_header_names_stage_shard_commit_and_number(header: bytes, expected: object) -> None:
    """Spans are numbered otherwise and aren't outputs."""
    assert written_by(Record("t", 0, 0, None, b"", [("rg_commit", header)])) == expected


def test_outputs_are_found_however_wrong_the_clocks_were() -> None:
    """A producer's clock that is hours behind stamps them long before their commit; they are still found."""
    world = World()
    world.put(1)
    stamps = iter([0, 0, 0, 0])
    world.broker._clock_ms = lambda: next(stamps, 0)
    run(world.transactor())
    world.broker._clock_ms = lambda: world.now // 1000
    [commit] = world.journal()
    assert len(Written(world.spec(), world.broker.reader()).of(commit, ())) == 1


def test_other_shards_outputs_are_not_taken_for_ours() -> None:
    """The topic is shared; the header says whose a record is."""
    world = lived(2)
    spec = world.spec()
    other = Written(type(spec)(spec.app, "agent-other", 0, spec.inputs, spec.code, "w"), world.broker.reader())
    assert other.of(world.journal()[0], ()) == {}


def test_what_another_app_wrote_to_a_shared_topic_is_not_taken_for_ours() -> None:
    """Its agent has the same name, and `rg_commit` doesn't name the app: the source does."""
    world = World()
    headers: Headers = [("ce_source", b"/rivergate/mill/agent-summing"), ("rg_commit", b"agent-summing/0/0/0")]
    world.broker.append("plant-out", 0, b'{"n": 7, "sum": 7, "text": ""}', headers=headers)
    world.put(1)
    run(world.transactor())
    found = Written(world.spec(), world.broker.reader()).of(world.journal()[0], ())
    assert [r.offset for r in found.values()] == [1]


def test_a_dead_letter_keeps_the_source_of_its_record() -> None:
    """It stands on the app's own topic, where nobody else writes."""
    world = World()
    headers: Headers = [("ce_source", b"/plant"), ("ce_id", b"e1")]
    world.broker.append("plant-in", 0, b"no json", headers=headers)
    run(world.transactor())
    assert len(Written(world.spec(), world.broker.reader()).of(world.journal()[0], ())) == 1
