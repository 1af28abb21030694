from __future__ import annotations

import pytest
from tests.unit.kernel.test_past import lived
from tests.unit.kernel.transactor_world import World, run

from rivergate.domain.record import Record
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
