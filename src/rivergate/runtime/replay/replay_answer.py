"""What `rivergate replay` asks of the process that replays: commits of actions, events and shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.kernel.past import NothingToReplay, newest_entry
from rivergate.kernel.replay import ReplayedPart, replay_commits
from rivergate.runtime.replay.finding import Found, find_actions, find_event
from rivergate.runtime.replay.reach_answer import reach_of
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.replay.recording import Recording
from rivergate.runtime.replay.replay_recording import replay_recording
from rivergate.runtime.session import Tell
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import fold_of

Wanted = dict[tuple[str, int], Sequence[int]]


def answer(spec: ProcessSpec, ask: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`ask` has `actions`, `events`, `shards` ([stage, shard, from or None, to or None]), `all`, and in `save` a file
    for a recording, or in `recording` the file of one to be replayed instead of the log.

    Gives {identical, code, asked: [Found], parts: [ReplayedPart]}.
    """
    if ask.get("recording"):
        return _of_recording(spec, ask)
    with RecordedApp(spec) as recorded:
        found = find_actions(recorded, ask.get("actions", ()), tell) if ask.get("actions") else []
        found += [find_event(recorded, e, tell) for e in ask.get("events", ())]
        wanted = _wanted(found)
        everything = [[*shard, None, None] for shard in recorded.shards] if ask.get("all") else []
        for stage, shard, first, last in [*ask.get("shards", ()), *everything]:
            wanted[stage, shard] = _range(recorded, stage, shard, first, last)
        keep = recorded.new_recording() if ask.get("save") else None
        parts = []
        for number, ((stage, shard), seqs) in enumerate(wanted.items()):
            parts.append(_replay(recorded, stage, shard, seqs, tell, (number, len(wanted)), keep))
            if parts[-1].difference is not None:
                break
        if keep is not None:
            keep.parts = [(stage, shard, list(seqs)) for (stage, shard), seqs in wanted.items()]
            keep.save(Path(ask["save"]))
        if found and not wanted:
            raise NothingToReplay(
                "; ".join(note for f in found for note in f.notes), remedy="ask for an agent's action"
            )
        return {
            "identical": all(p.difference is None for p in parts),
            "code": {stage: recorded.shard_spec(stage, 0).code for stage, _ in wanted},
            "asked": [asdict(f) for f in found],
            "parts": [asdict(p) for p in parts],
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
    written = recorded.written(stage, shard, keep)
    return replay_commits(recorded.past(stage, shard, keep), written, seqs, progress)


def _wanted(found: list[Found]) -> Wanted:
    """Commits of each shard in ascending order, agents before the gate as they were found."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for f in found:
        for stage, shard, seq in f.commits:
            wanted.setdefault((stage, shard), set()).add(seq)
    return {shard: sorted(wanted[shard]) for shard in sorted(wanted, key=lambda w: (w[0] == names.GATE, w))}


def _range(recorded: RecordedApp, stage: str, shard: int, first: int | None, last: int | None) -> Sequence[int]:
    """From the first commit that can be replayed to the newest, where nothing else is said. Empty for a new shard."""
    spec = recorded.shard_spec(stage, shard)
    newest = newest_entry(spec, recorded.archive)
    if newest is None:
        return ()
    if first is None:
        reach = reach_of(recorded, stage, shard)
        if reach.first is None:
            raise NothingToReplay(f"nothing of {spec.name} can be replayed: {reach.why}", remedy=_KEEP)
        first = reach.first
    if last is not None and (last > newest[0].seq or last < first):
        raise BadInput(
            f"{spec.name} has no commits from {first} to {last}", remedy=f"its newest commit is {newest[0].seq}"
        )
    return range(first, (newest[0].seq if last is None else last) + 1)


_KEEP = "keep inputs and journals for longer, or snapshots; `rivergate doctor --app` says what is there"
