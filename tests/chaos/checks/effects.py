"""Effects, by the target's own ledger: each action once, as it was allowed, and never before its intent was written;
unknown is what became of it only where nobody can be asked.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.checks.world import World
from tests.chaos.findings import Found, Kind

EFFECTS = "effects"
UNASKED = {"page"}
"""Kinds whose effector can't tell what it has done."""


def ledger(world: World) -> Iterator[Found]:
    """Every deed has its action and every action that ended `done` its deed; nothing was done to an event twice."""
    story = world.evidence.story
    done = {i for i, x in story.final.items() if x.get("status") == "done"}
    deeds = {str(d["proposal_id"]): d for d in world.deeds}
    for pid, n in Counter(str(d["proposal_id"]) for d in world.deeds).items():
        if n > 1:
            yield Found(Kind.EFFECTS_DOUBLED, EFFECTS, f"{deeds[pid]['kind']} {pid} was done {n} times")
    about: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pid, deed in deeds.items():
        about[deed["event_id"], deed["kind"]].append(pid)
        action = story.actions.get(pid)
        if action is None:
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"{deed['kind']} {pid} was done without an action")
        elif json.dumps(action.get("arguments"), sort_keys=True) != json.dumps(deed["arguments"], sort_keys=True):
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"{pid} was done with other arguments than were allowed")
    for (event_id, kind), pids in about.items():
        for pid in pids[1:]:
            yield Found(Kind.EFFECTS_DOUBLED, EFFECTS, f"{kind} about {event_id} was done as {pids[0]} and as {pid}")
    for pid in sorted(done - deeds.keys()):
        yield Found(Kind.LOST, EFFECTS, f"{pid} is said to be done and isn't in the ledger")
    for pid, line in story.final.items():
        if line.get("status") == "failed" and line.get("effect") == "none" and pid in deeds:
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"{pid} is said to have left no effect and is in the ledger")
    yield from _unknown(world)
    yield from _before_its_intent(world)


def _unknown(world: World) -> Iterator[Found]:
    """Whoever is idempotent is asked again, and whoever can be asked is asked."""
    for pid, lines in world.evidence.story.outcomes.items():
        action = world.evidence.story.actions.get(pid)
        kind = action.get("kind") if action else None
        if kind not in UNASKED and any(x.get("status") == "unknown" for x in lines):
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"nobody knows whether {kind} {pid} was done, who could be asked")


def _before_its_intent(world: World) -> Iterator[Found]:
    """No deed is asked for before the commit that holds an intent for it was in the journal.

    The journal's append times and the ledger's are of one machine's clock. The commit marker comes after the append,
    so this is lenient by the length of a commit.
    """
    appended = {(c.name): c.line.appended_ms for chain in world.evidence.journals.chains.values() for c in chain}
    first: dict[str, int] = {}
    for pid, intents in world.evidence.story.intents.items():
        times = [at for x in intents if (at := appended.get(x.commit)) is not None]
        if times:
            first[pid] = min(times)
    asked: dict[str, Mapping[str, Any]] = {}
    for entry in world.asked:
        asked.setdefault(str(entry["proposal_id"]), entry)
    for pid, entry in asked.items():
        if pid not in first:
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"{pid} was asked for without an intent")
        elif entry["at_ms"] < first[pid]:
            early = first[pid] - entry["at_ms"]
            yield Found(Kind.UNEXPLAINED, EFFECTS, f"{pid} was asked for {early} ms before its intent was written")
