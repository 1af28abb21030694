"""Which commits belong to an action or an event: found on the topics, without any database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rivergate.agents.fold import agent_inputs
from rivergate.domain import names
from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.domain.record import Position, Record, TopicPartition
from rivergate.kernel.past import holds, journal_entries
from rivergate.kernel.written import EARLIER, written_by
from rivergate.runtime.app import App
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.session import Tell

CommitName = tuple[str, int, int]
"""(stage, shard, seq)"""

_DOWNSTREAM = (names.REVIEWS, names.ACTIONS, names.DENIALS, names.OUTCOMES, names.LABELS)
_POSITION = re.compile(r"(.+)/(\d+)/(\d+)")


class NotRecorded(RivergateError):
    """An id that stands nowhere on the app's topics."""


@dataclass(slots=True)
class Found:
    """What belongs to an id: commits that can be replayed, and sentences about what can't."""

    kind: str
    id: str
    event_id: str = ""
    event: Position | None = None
    commits: list[CommitName] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, commit: CommitName) -> None:
        """Take a commit in, once."""
        if commit not in self.commits:
            self.commits.append(commit)


def find_actions(recorded: RecordedApp, ids: Sequence[str], tell: Tell) -> list[Found]:
    """The proposal's commit and all of the gate's for each id (or unique beginning). Raises `NotRecorded`, `BadInput`."""
    tell("looking for the proposals", None)
    app = recorded.app
    by_id: dict[str, Found] = {}
    since: dict[TopicPartition, int] = {}
    matches: dict[str, set[str]] = {i: set() for i in ids}
    for record, pid in _of_proposals(recorded, names.PROPOSALS, {}):
        asked = [i for i in ids if pid.startswith(i)]
        if not asked or record.ce_type != names.PROPOSAL_V1:
            continue
        for i in asked:
            matches[i].add(pid)
        if pid not in by_id:
            by_id[pid] = _of_proposal(app, pid, record)
            at = _stamp_of(record) - EARLIER
            since["", record.partition] = min(at, since.get(("", record.partition), at))
    for i, pids in matches.items():
        if len(pids) != 1:
            raise _not_one(app.name, i, pids)
    tell("looking for what became of them", None)
    for topic in _DOWNSTREAM:
        starts = {(names.topic(app.name, topic), p): max(0, at) for (_, p), at in since.items()}
        for record, pid in _of_proposals(recorded, topic, starts):
            if pid in by_id:
                _take_commit(by_id[pid], record)
    return [by_id[next(iter(matches[i]))] for i in ids]


def find_event(recorded: RecordedApp, event_id: str, tell: Tell) -> Found:
    """The commits of agents that read an event. Raises `NotRecorded`."""
    found = Found("event", event_id, event_id)
    positions = list(_event_positions(recorded, event_id, tell))
    if not positions:
        raise NotRecorded(
            f"no event {event_id!r} stands on a topic that agents of {recorded.app.name} read",
            remedy="give its id as {ce_source}#{ce_id}, or its place as TOPIC/PARTITION/OFFSET",
        )
    for position in positions:
        found.event = position
        readers = [names.agent_stage(a.name) for a in recorded.app.agents if position.topic in _topics(recorded.app, a)]
        for stage in readers:
            tell(f"looking for it in the journal of {stage}/{position.partition}", None)
            seq = commit_that_read(recorded, stage, position)
            if seq is None:
                found.notes.append(
                    f"{stage}/{position.partition} hasn't read {position}, or its journal no longer says so"
                )
            else:
                found.add((stage, position.partition, seq))
        for graph in recorded.app.graphs:
            if position.topic in graph.inputs(recorded.app.name):
                found.notes.append(_performer(names.agent_stage(graph.name), "read it"))
    return found


def commit_that_read(recorded: RecordedApp, stage: str, position: Position) -> int | None:
    """Sequence of the shard's commit whose ranges hold a position."""
    spec = recorded.shard_spec(stage, position.partition)
    for entry, _ in journal_entries(spec, recorded.archive):
        if holds(entry, position):
            return entry.seq
    return None


def _stamp_of(record: Record) -> Micros:
    """When it says that it was made; long ago where it says nothing that can be read."""
    try:
        return parse_rfc3339((record.header("ce_time") or b"").decode())
    except ValueError:
        return 0


def _of_proposal(app: App, pid: str, record: Record) -> Found:
    value = record.json_object or {}
    place = value.get("event") or {}
    event = (
        Position(place["topic"], place["partition"], place["offset"]) if place.keys() >= set(Position._fields) else None
    )
    found = Found("action", pid, str(value.get("event_id", "")), event)
    commit = written_by(record)
    if commit is None:
        found.notes.append("it was proposed at the door, outside of any commit: only the gate's part is replayed")
    elif commit[0] in {names.agent_stage(a.name) for a in app.agents}:
        found.add(commit[:3])
    else:
        found.notes.append(_performer(commit[0], "proposed it"))
    return found


def _take_commit(found: Found, record: Record) -> None:
    commit = written_by(record)
    if commit is None:
        return
    if commit[0] == names.GATE:
        found.add(commit[:3])
    elif record.ce_type == names.OUTCOME_V1:
        status = (record.json_object or {}).get("status", "nothing")
        found.notes.append(
            _performer(f"{commit[0]}/{commit[1]}", f"wrote the outcome {status!r} in commit {commit[2]}")
        )


def _performer(stage: str, did: str) -> str:
    return f"{stage} {did}; it is a performer, and the world can't be played again: not replayed"


def _of_proposals(recorded: RecordedApp, topic: str, starts: dict[TopicPartition, int]) -> Iterator[tuple[Record, str]]:
    """Records of a system topic with their proposal's id: of all partitions, or of these from those times on."""
    archive = recorded.archive
    places = starts or dict.fromkeys(archive.partitions(names.topic(recorded.app.name, topic)), 0)
    for tp, at in places.items():
        for record in archive.scan(*tp, archive.offset_at(tp, at) if at else 0):
            pid = (record.json_object or {}).get("proposal_id")
            if isinstance(pid, str):
                yield record, pid


def _event_positions(recorded: RecordedApp, event_id: str, tell: Tell) -> Iterator[Position]:
    topics = sorted({t for a in recorded.app.agents for t in _topics(recorded.app, a)})
    if (place := _POSITION.fullmatch(event_id)) and place[1] in topics:
        yield Position(place[1], int(place[2]), int(place[3]))
        return
    partitions = [tp for topic in topics for tp in recorded.archive.partitions(topic)]
    for number, (topic, partition) in enumerate(partitions):
        tell(f"looking for the event on {topic}/{partition}", number / len(partitions))
        for record in recorded.archive.scan(topic, partition):
            if record.event_id == event_id:
                yield record.position


def _topics(app: App, agent: type) -> list[str]:
    return agent_inputs(app.name, agent)


def _not_one(app: str, asked: str, pids: set[str]) -> RivergateError:
    if not pids:
        return NotRecorded(
            f"no proposal {asked!r} stands on {names.topic(app, names.PROPOSALS)}",
            remedy="give a proposal's id or the beginning of one; retention may have removed it",
        )
    return BadInput(f"{asked!r} may be {', '.join(sorted(pids)[:5])}", remedy="give more of the id")
