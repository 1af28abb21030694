"""What `rivergate state` asks of the process that replays: a shard's state then, and what it would have said."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from rivergate.agents.fold import AgentFold
from rivergate.domain import names
from rivergate.domain.clock import Micros, parse_rfc3339, rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Position
from rivergate.kernel.past import NothingToReplay, Past, newest_entry
from rivergate.kernel.written import EARLIER
from rivergate.ports import Batch
from rivergate.runtime.replay.finding import find_actions
from rivergate.runtime.replay.prediction import predict
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.replay.state_report import state_report
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec

_SEQ = re.compile(r"\d{1,15}")
_ID = re.compile(r"[0-9a-fA-F]{4,32}")


@dataclass(frozen=True, slots=True)
class Moment:
    """Before commit `seq`, or inside of it: before the record at `position`."""

    seq: int
    position: Position | None = None
    shard: int | None = None


def answer(spec: ProcessSpec, ask: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`ask` has `agent`, `shard` (None: the action's), `at` (empty for now), `predict` (an event as JSON text, or None)
    and `event_class`. The answer is `state_report`'s with `prediction`.
    """
    with RecordedApp(spec, "state") as recorded:
        stage = _stage(recorded, ask["agent"])
        moment = _moment(recorded, stage, ask["shard"], ask["at"], tell)
        shard = ask["shard"] if moment.shard is None else moment.shard
        past = recorded.past(stage, shard)
        past.go_to(moment.seq, lambda done, total: tell(f"replaying {past.spec.name}", done / max(1, total)))
        seq, clock, code = past.standing.seq, past.standing.clock, past.code
        if moment.position is not None:
            recorded_commit = past.fold_up_to(moment.position)
            clock, code = parse_rfc3339(recorded_commit.clock), recorded_commit.code
        fold = past.fold
        assert isinstance(fold, AgentFold)  # noqa: S101 - `_stage` gives agents' stages alone
        found: dict[str, Any] = {
            "app": recorded.app.name,
            "stage": stage,
            "shard": shard,
            "commits": seq,
            "clock": rfc3339(clock),
            "before": None if moment.position is None else str(moment.position),
            "start": None if past.start is None else asdict(past.start),
            "folded": past.folded,
            "notes": [*past.notes, *_other_code(code, past.spec.code)],
            "adopted": None if past.standing.adopted is None else asdict(past.standing.adopted),
            **state_report(fold, clock),
        }
        if ask.get("predict") is not None:
            batch = Batch(recorded.app.name, stage, shard, seq, clock, lambda: 0)
            found["prediction"] = predict(recorded.app, fold, batch, ask["predict"], ask.get("event_class"))
        return found


def _other_code(then: str, now: str) -> list[str]:
    if then in ("", now):
        return []
    return [f"code {then[:12]} ran then; this is what {now[:12]}, the present code, reads and makes of it"]


def _stage(recorded: RecordedApp, agent: str) -> str:
    for known in recorded.app.agents:
        if agent in (known.name, names.agent_stage(known.name)):
            return names.agent_stage(known.name)
    have = ", ".join(a.name for a in recorded.app.agents)
    raise BadInput(f"app {recorded.app.name} has no agent {agent!r}", remedy=f"its agents are {have}")


def _moment(recorded: RecordedApp, stage: str, shard: int | None, at: str, tell: Tell) -> Moment:
    time = _time(at)
    if at and time is None and not _SEQ.fullmatch(at):
        return _of_action(recorded, stage, shard, at, tell)
    if shard is None:
        raise BadInput("which shard?", remedy=f"give --shard, 0 to {recorded.app.stages[stage] - 1}")
    spec = recorded.shard_spec(stage, shard)
    newest = newest_entry(spec, recorded.archive)
    if newest is None:
        raise NothingToReplay(f"{spec.name} has no commits yet", where=spec.journal[0])
    if not at:
        return Moment(newest[0].seq + 1)
    if time is not None:
        return Moment(_seq_after(recorded.past(stage, shard), time, newest[0].seq))
    if int(at) > newest[0].seq:
        raise BadInput(f"{spec.name} has no commit {at}", remedy=f"its newest is {newest[0].seq}")
    return Moment(int(at) + 1)


def _time(at: str) -> Micros | None:
    if not re.match(r"\d{4}-\d\d-\d\d", at):
        return None
    try:
        return parse_rfc3339(at)
    except ValueError as e:
        raise BadInput(f"{at!r} names no moment: {e}", remedy="write it like 2026-01-31T12:00:00Z") from e


def _seq_after(past: Past, time: Micros, newest: int) -> int:
    """The first commit whose clock is later than this time, or the one to come."""
    start = past.archive.offset_at(past.spec.journal, max(0, time - EARLIER))
    for recorded, _ in past.journal(start):
        if parse_rfc3339(recorded.clock) > time:
            return recorded.seq
    return newest + 1


def _of_action(recorded: RecordedApp, stage: str, shard: int | None, at: str, tell: Tell) -> Moment:
    if not _ID.fullmatch(at):
        raise BadInput(
            f"{at!r} is no commit, time or action", remedy="write 17, 2026-01-31T12:00:00Z, or a proposal's id"
        )
    [found] = find_actions(recorded, [at.lower()], tell)
    commit = next((c for c in found.commits if c[0] == stage), None)
    if commit is None:
        raise BadInput(
            f"{stage} didn't propose {found.id}", remedy=f"ask {found.commits[0][0]} instead" if found.commits else ""
        )
    if shard is not None and commit[1] != shard:
        raise BadInput(
            f"shard {commit[1]} proposed {found.id}, not {shard}", remedy="drop --shard: the action names it"
        )
    by_timer = "!timer/" in found.event_id
    return Moment(commit[2], None if by_timer else found.event, commit[1])
