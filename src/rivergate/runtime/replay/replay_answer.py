"""What `rivergate replay` asks of the process that replays: commits of actions, events and shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.kernel.comparing import Difference
from rivergate.kernel.past import NothingToReplay, newest_entry
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.runtime.replay.finding import Found, find_actions, find_event
from rivergate.runtime.replay.reach_answer import reach_of
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.replay.recording import Recording, demand_place
from rivergate.runtime.replay.replay_recording import replay_recording
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import fold_of

Wanted = dict[tuple[str, int], Sequence[int]]
"""Commits of each shard in ascending order; none where there is nothing to compare."""


def answer(spec: ProcessSpec, ask: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`ask` has `actions`, `events`, `shards` ([stage, shard, from or None, to or None]), `all`, and in `save` a file
    for a recording, or in `recording` the file of one to be replayed instead of the log.

    Gives {identical, code, asked: [Found], parts: [ReplayedPart], notes}; `notes` say what of it isn't replayed, and why.
    Raises `NothingToReplay` where that is all of it.
    """
    if ask.get("recording"):
        return _of_recording(spec, ask)
    if ask.get("save"):
        demand_place(Path(ask["save"]))
    with RecordedApp(spec) as recorded:
        found = find_actions(recorded, ask.get("actions", ()), tell) if ask.get("actions") else []
        found += [find_event(recorded, e, tell) for e in ask.get("events", ())]
        wanted, notes = _of_ids(found), [note for f in found for note in f.notes]
        everything = [[*shard, None, None] for shard in recorded.shards] if ask.get("all") else []
        for stage, shard, first, last in [*ask.get("shards", ()), *everything]:
            seqs, why = _range(recorded, stage, shard, first, last)
            wanted[stage, shard] = _united(wanted.get((stage, shard), ()), seqs)
            notes += [why] if why else []
        if not any(wanted.values()):
            raise NothingToReplay("; ".join(dict.fromkeys(notes)), remedy=_ASK)
        keep = recorded.new_recording() if ask.get("save") else None
        parts = []
        for number, ((stage, shard), seqs) in enumerate(wanted.items()):
            parts.append(_replay(recorded, stage, shard, seqs, tell, (number, len(wanted)), keep))
            if keep is not None and seqs:
                first = parts[-1].superseded or parts[-1].difference
                keep.parts.append((stage, shard, _compared(seqs, first)))
            if parts[-1].is_final:
                break
        if keep is not None:
            keep.save(Path(ask["save"]))
        return {
            "identical": all(p.difference is None for p in parts),
            "code": {stage: recorded.shard_spec(stage, 0).code for stage, _ in wanted},
            "asked": [asdict(f) for f in found],
            "parts": [asdict(p) for p in parts],
            "notes": list(dict.fromkeys(notes)),
        }


def _of_recording(spec: ProcessSpec, ask: dict[str, Any]) -> dict[str, Any]:
    app, recording = spec.app.load(), Recording.load(Path(ask["recording"]))
    key = ask.get("snapshot_key")
    parts = replay_recording(app, recording, Path(key) if key else None)
    return {
        "identical": all(p.difference is None for p in parts),
        "code": {p.stage: fold_of(app, p.stage, recording.operator)[1] for p in parts},
        "asked": [],
        "parts": [asdict(p) for p in parts],
        "notes": [],
    }


def _replay(
    recorded: RecordedApp,
    stage: str,
    shard: int,
    seqs: Sequence[int],
    tell: Tell,
    place: tuple[int, int],
    keep: Recording | None,
) -> ReplayedPart:
    number, of = place

    def progress(done: int, total: int) -> None:
        tell(f"replaying {stage}/{shard}", (number + done / max(1, total)) / of)

    tell(f"replaying {stage}/{shard}", number / of)
    past = recorded.past(stage, shard, keep)
    return replay_commits(past, recorded.written(stage, shard, keep), seqs, progress, recorded.states(past, keep))


def _compared(seqs: Sequence[int], difference: Difference | None) -> list[int]:
    """Up to a difference, which may be on the way to the first that was asked for."""
    return list(seqs) if difference is None else sorted({*(s for s in seqs if s <= difference.seq), difference.seq})


def _of_ids(found: list[Found]) -> Wanted:
    """Those that belong to ids, agents before the gate as they were found."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for f in found:
        for stage, shard, seq in f.commits:
            wanted.setdefault((stage, shard), set()).add(seq)
    return {shard: sorted(wanted[shard]) for shard in sorted(wanted, key=lambda w: (w[0] == names.GATE, w))}


def _united(some: Sequence[int], others: Sequence[int]) -> Sequence[int]:
    return sorted({*some, *others}) if some and others else some or others


def _range(
    recorded: RecordedApp, stage: str, shard: int, first: int | None, last: int | None
) -> tuple[Sequence[int], str]:
    """From the first commit that can be replayed to the newest, where nothing else is said; or why there is none."""
    spec = recorded.shard_spec(stage, shard)
    entry = newest_entry(spec, recorded.archive)
    if entry is None:
        return (), f"{spec.name} has no commits yet: not replayed"
    newest = entry[0].seq
    if first is None:
        reach = reach_of(recorded, stage, shard)
        if reach.first is None:
            raise NothingToReplay(f"nothing of {spec.name} can be replayed: {reach.why}", remedy=_KEEP)
        first = reach.first
        if first > newest and last is None:
            return (), (
                f"retention has removed what {spec.name} has read up to its newest commit, {newest}, and its snapshot after "
                "that has the state alone: not replayed"
            )
    if not first <= (newest if last is None else last) <= newest:
        upto = "on" if last is None else f"to {last}"
        raise BadInput(f"{spec.name} has no commits from {first} {upto}", remedy=f"its newest commit is {newest}")
    return range(first, (newest if last is None else last) + 1), ""


_ASK = "ask for what agents or the gate have committed; `rivergate doctor --app` says from when on it can be replayed"
_KEEP = "keep inputs and journals for longer, or snapshots; `rivergate doctor --app` says what is there"
