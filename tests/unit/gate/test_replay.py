from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.world import APP, CHEAPER, OPERATOR, POLICY, QUORUM, REVIEW_SERVICE, STRICT, World

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, rfc3339
from rivergate.domain.errors import SnapshotCorrupt
from rivergate.domain.record import Record
from rivergate.gate.fold import GateFold
from rivergate.ports import Batch, Outputs

Step = tuple[Micros, list[Record]]

OPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("propose", "repeat", "approve", "deny", "edit", "ask", "policy", "withdraw", "rubbish"),
                *("intent", "outcome", "resolution"),
            ]
        ),
        st.integers(0, 20_000),
        st.integers(0, 140),  # 25 steps stay within the hour: a stage writes each proposal once
    ),
    max_size=25,
)


def story(ops: Sequence[tuple[str, int, int]], *, moving: bool) -> list[Step]:
    """Records of a lively hour, made by living it once: one batch a record, clock and all."""
    w = World()
    steps: list[Step] = []

    def live(*records: Record) -> None:
        steps.append((w.clock, list(records)))
        w.send(*records)

    live(w.key(), w.policy())
    for n, (what, number, seconds) in enumerate(ops):
        if moving:
            w.later(seconds)
        live(_record(w, what, number, n))
    return steps


def _record(w: World, what: str, number: int, n: int) -> Record:
    opened = [v for t, v in w.written if t in ("review.opened", "review.amended")]
    if what == "policy":
        return w.policy((POLICY, STRICT, QUORUM, CHEAPER)[number % 4])
    if what in ("propose", "repeat"):
        return w.proposal(
            float(number % 400), n if what == "propose" else number % 3, hours=number % 12, door=bool(n % 2)
        )
    if what == "rubbish" or not opened:
        return w.record(names.PROPOSALS, names.PROPOSAL_V1, b"{")
    return _about(w, what, number, n, opened[number % len(opened)])


def _about(w: World, what: str, number: int, n: int, about: dict[str, Any]) -> Record:
    if what == "intent":
        return w.intent(about["proposal_id"])
    if what == "resolution":
        return w.resolution(proposal_id=about["proposal_id"], by=f"reviewer-{number % 5}")
    if what == "outcome":
        return w.outcome(about["proposal_id"], ("done", "unknown")[number % 2], label=bool(number % 3))
    if what == "withdraw":
        return w.record(names.PROPOSALS, names.WITHDRAWAL_V1, {"proposal_id": about["proposal_id"], "reason": ""})
    if what == "edit":
        return w.edit(about, f"reviewer-{number % 5}", name=f"d{n}", cost=float(number % 300))
    return w.decision(about, what, f"reviewer-{number % 5}", name=f"d{n}")


def refold(steps: Sequence[Step], *, restart_at: int | None = None) -> tuple[list[Any], str, bytes]:
    """Fold anew; what was written in order, the state's digest and its dump."""
    fold = GateFold(APP, OPERATOR.public)
    written: list[Any] = []
    spans: list[Any] = []
    for n, (clock, records) in enumerate(steps):
        if n == restart_at:
            state, digest = fold.dump(), fold.digest()
            fold = GateFold(APP, OPERATOR.public)
            fold.load(state)
            assert fold.digest() == digest
        out = Outputs()
        fold.fold(Batch(APP, names.GATE, 0, n, clock, lambda: 7), records, out)
        written += out.records
        spans += out.spans
    return [*written, *spans], fold.digest(), fold.dump()


def cut(records: Sequence[Record], sizes: Iterator[int]) -> Iterator[list[Record]]:
    """The records in batches of these sizes."""
    at = 0
    while at < len(records):
        size = next(sizes)
        yield list(records[at : at + size])
        at += size


@settings(max_examples=40, deadline=None)
@given(ops=OPS, sizes=st.lists(st.integers(1, 7), min_size=30, max_size=30))
def test_other_batches_same_verdicts(ops: list[tuple[str, int, int]], sizes: list[int]) -> None:
    """Where batches begin and end changes nothing of what is written nor of the state."""
    steps = story(ops, moving=False)
    records = [r for _, batch in steps for r in batch]
    again = [(steps[0][0], batch) for batch in cut(records, iter(sizes))]
    assert refold(steps) == refold(again)


@settings(max_examples=40, deadline=None)
@given(ops=OPS, at=st.integers(0, 25))
def test_a_restart_at_any_point_changes_nothing(ops: list[tuple[str, int, int]], at: int) -> None:
    """Dump and load in a fresh object between any two batches: same outputs, same state."""
    steps = story(ops, moving=True)
    assert refold(steps) == refold(steps, restart_at=at)


@settings(max_examples=40, deadline=None)
@given(ops=OPS)
def test_every_proposal_ends_once(ops: list[tuple[str, int, int]]) -> None:
    """An action, a denial or an open review: one of them for each id judged, settlements with their end beside."""
    w = World()
    steps = story(ops, moving=True)
    for clock, records in steps:
        w.clock = clock
        w.send(*records)
    ends = [v["proposal_id"] for t, v in w.written if t in ("action", "denial")]
    opened = [v["proposal_id"] for t, v in w.written if t == "review.opened"]
    settled = {v["proposal_id"]: v["result"] for t, v in w.written if t == "review.settled"}
    actions = {v["proposal_id"] for t, v in w.written if t == "action"}
    spans = [s.attributes["rivergate.proposal.id"] for s in w.spans if s.name.startswith("gate ")]
    assert len(ends) == len(set(ends))
    assert len(opened) == len(set(opened))
    assert set(opened) - set(ends) == set(w.fold.state.reviews) == set(opened) - set(settled)
    assert all((pid in actions) == (result == "approved") for pid, result in settled.items())
    assert sorted(spans) == sorted({*ends, *opened})
    answered = [v["decision_id"] for t, v in w.written if t == "review.decision_judged"]
    assert len(answered) == len(set(answered))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"format": 2}', b'{"format": 1, "judged": 3}'])
def test_a_state_that_is_none_is_refused(raw: bytes) -> None:
    """A broken state names itself and leaves the fold as it was."""
    fold = World().ready().fold
    before = fold.digest()
    with pytest.raises(SnapshotCorrupt):
        fold.load(raw)
    assert fold.digest() == before


def test_a_state_under_another_engine_is_refused() -> None:
    """A policy that has another digest here would be judged otherwise: the state is refused."""
    fold = World().ready().fold
    state = fold.dump().replace(b"cheap ones pass", b"cheap ones rest")
    with pytest.raises(SnapshotCorrupt, match="digest"):
        GateFold(APP, OPERATOR.public).load(state)


def test_a_state_from_before_actions_were_closed_loads() -> None:
    """Other code starts from the snapshot that the code before it left."""
    w = World().ready()
    w.send(w.intent())
    written = orjson.loads(w.fold.dump())
    del written["closed"]
    fold = GateFold(APP, OPERATOR.public)
    fold.load(orjson.dumps(written))
    assert fold.digest() == w.fold.digest()


def test_memory_is_given_back() -> None:
    """After everything expired nothing but keys, policy and results of reviews is left."""
    w = World().ready()
    empty = len(w.fold.dump())
    w.send(*(w.proposal(50.0 + n, n) for n in range(100)))
    assert len(w.fold.state.judged) == 100
    w.later(3600).send()
    assert len(w.fold.state.judged) == 0
    assert w.fold.state.reviews == {}
    assert w.fold.next_deadline() is None
    assert len(w.fold.dump()) < empty + 100 * 60
    assert SECOND == 1_000_000


def test_a_skipped_record_leaves_nothing_in_the_state() -> None:
    """A replay doesn't fold dead letters again, so what they changed would be a difference."""
    w = World().ready()
    opened = dict(w.send(w.proposal(200.0)))["review.opened"]
    w.later(7200)
    before = w.fold.digest()
    late = w.decision(opened, decided_at=rfc3339(w.clock - 7000 * SECOND))
    resolution = REVIEW_SERVICE.sign({"proposal_id": opened["proposal_id"], "status": "done", "by": "", "note": ""})
    records = [late, w.proposal(n=9, door=True), w.record(names.DECISIONS, names.RESOLUTION_V1, resolution)]
    idle, busy = GateFold(APP, OPERATOR.public), GateFold(APP, OPERATOR.public)
    for fold, batch in ((idle, []), (busy, records)):
        fold.load(w.fold.dump())
        assert fold.digest() == before
        out = Outputs()
        fold.fold(Batch(APP, names.GATE, 0, w.seq, w.clock, lambda: 7), batch, out)
        assert len(out.skipped) == len(batch)
    assert busy.digest() == idle.digest()
