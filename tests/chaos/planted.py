"""The harness can fail: each fault that is planted into the kernel turns the checks red that are there for it.

Not part of `make test`, since it takes minutes: `make chaos-planted` runs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.chaos.cluster import Cluster
from tests.chaos.findings import Kind
from tests.chaos.inside import FOLDER
from tests.chaos.inside.plants import PLANTS
from tests.chaos.plan import plan_round
from tests.chaos.playing import Round

pytestmark = pytest.mark.timeout(240)

EVENTS, RATE = 350, 70.0


class Case(NamedTuple):
    """A plant, the strikes that bring it out, and the (kind, check) of which each has to be found."""

    plant: str
    faults: str
    strikes: int
    wanted: frozenset[tuple[Kind, str]]


CASES = [
    Case("intent-not-awaited", "none", 0, frozenset({(Kind.UNEXPLAINED, "effects")})),
    Case(
        "state-kept-after-abort",
        "abort-agent",
        3,
        frozenset({(Kind.REORDERED, "order"), (Kind.DIGEST_MISMATCH, "model")}),
    ),
    Case(
        "offsets-before-outputs",
        "crash-agent-commit",
        1,
        frozenset({(Kind.LOST, "inputs"), (Kind.LOST, "wire"), (Kind.LOST, "settling")}),
    ),
    Case(
        "one-id-per-worker",
        "zombie-agent-begin",
        1,
        frozenset({(Kind.DOUBLED, "inputs"), (Kind.JOURNAL_GAPS, "wire"), (Kind.DOUBLED, "wire")}),
    ),
    Case("done-again-unasked", "crash-effects-journal", 4, frozenset({(Kind.EFFECTS_DOUBLED, "effects")})),
    # a torn commit each time; which records of it are there, and so what comes after it, is the client library's choice
    Case("producer-not-recycled", "meet-EndTxn", 4, frozenset({(Kind.LOST, "wire")})),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker for all plants."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *filter(None, [before])])
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.plant)
def test_a_planted_fault_is_found(cluster: Cluster, tmp_path: Path, case: Case) -> None:
    """The checks that are there for it find it, and say where."""
    plan = plan_round(5, "local", case.faults, events=EVENTS, rate=RATE, strikes=case.strikes, plant=case.plant)
    report = Round(plan, cluster, tmp_path / "round", f"p-{case.plant}").play()
    found = {(f.kind, f.check) for f in report.found}
    assert case.wanted <= found, [str(f) for f in report.found[:20]]


def test_every_plant_has_its_case() -> None:
    """Nobody plants a fault that no check is held against."""
    assert {c.plant for c in CASES} == PLANTS.keys()
