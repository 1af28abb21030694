"""What the live view shows, kept up to date from committed records: sliding windows, nothing of the runtime's own."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from rivergate.demos.shuttle.commit_line import commit_in
from rivergate.demos.shuttle.events import FIGURES_EVERY, Reading, ShardFigures
from rivergate.domain import names
from rivergate.domain.record import Record

RATE_S = 10
WINDOW_S = 120
LATEST = 12

READINGS, PROPOSALS, ACTIONS, LABELS, OUTCOMES = "readings", "proposals", "actions", "labels", "outcomes"
ALLOWED, MODIFIED, REVIEW, DENIED = "allowed", "modified", "review", "denied"


class Rate:
    """Counts in total and over the last seconds."""

    def __init__(self) -> None:
        self.total = 0
        self._seconds: deque[list[int]] = deque()

    def add(self, at_s: float, count: int = 1) -> None:
        """Something happened `count` times."""
        self.total += count
        second = int(at_s)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += count
        else:
            self._seconds.append([second, count])
        while self._seconds and self._seconds[0][0] < second - WINDOW_S:
            self._seconds.popleft()

    def within(self, at_s: float, last_s: int) -> int:
        """How often within the last whole seconds before now."""
        now = int(at_s)
        return sum(n for second, n in self._seconds if now - last_s <= second < now)


class Accuracy(NamedTuple):
    """Shares, or None where nothing was labelled."""

    labels: int
    accuracy: float | None
    balanced: float | None
    baseline: float | None


class Line(NamedTuple):
    """One thing that happened, for the list of the latest."""

    machine: str
    what: str
    how: str
    confidence: float


@dataclass(slots=True)
class Scene:
    """One thread. `waiting` are open reviews; `lag` is how many readings no agent has committed yet; `held_up` says of
    running shards what they wait for.
    """

    app: str
    agent_stage: str
    rates: dict[str, Rate] = field(default_factory=lambda: defaultdict(Rate))
    waiting: set[str] = field(default_factory=set)
    settled: Counter[str] = field(default_factory=Counter)
    latest: deque[Line] = field(default_factory=lambda: deque(maxlen=LATEST))
    dead_letters: int = 0
    held_up: dict[str, str] = field(default_factory=dict)
    _figures: dict[str, deque[tuple[float, ShardFigures]]] = field(default_factory=lambda: defaultdict(deque))
    _produced: dict[int, int] = field(default_factory=dict)
    _processed: dict[int, int] = field(default_factory=dict)
    _proposed: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    def take(self, record: Record, at_s: float) -> None:
        """Take a committed record into account; `at_s` is when it was read."""
        topic = record.topic
        if topic == Reading.topic_in(self.app):
            self.rates[READINGS].add(at_s)
            self._produced[record.partition] = record.offset + 1
            self._processed.setdefault(record.partition, record.offset)  # a shard that never commits lags, too
        elif topic == names.journal_topic(self.app, self.agent_stage):
            for read, partition, _, end in (commit_in(record) or {"ranges": ()})["ranges"]:
                if read == Reading.topic_in(self.app):
                    self._processed[partition] = max(end, self._processed.get(partition, 0))
        elif topic == ShardFigures.topic_in(self.app):
            self._keep_figures(ShardFigures.model_validate_json(record.value or b"{}"), at_s)
        elif topic == names.topic(self.app, names.DEAD_LETTERS):
            self.dead_letters += 1
        elif topic == names.topic(self.app, names.SHARD_STATUS):
            self._keep_status(record.json_object or {})
        else:
            self._decided(record.ce_type, orjson.loads(record.value or b"{}"), at_s)

    @property
    def lag(self) -> int:
        """Readings that are on the topic and in no agent's commit."""
        return sum(max(0, end - self._processed[p]) for p, end in self._produced.items())

    def accuracy(self, at_s: float, last_s: float | None = WINDOW_S) -> Accuracy:
        """Of all shards together, over the labels of the last seconds (None: all that the shards ever counted)."""
        parts = []
        for history in self._figures.values():
            newest = history[-1][1]
            parts.append((newest, None if last_s is None else _before(history, at_s - last_s)))
        return _together(parts)

    def _keep_figures(self, figures: ShardFigures, at_s: float) -> None:
        history = self._figures[figures.shard]
        history.append((at_s, figures))
        while len(history) > 2 and history[1][0] < at_s - WINDOW_S:
            history.popleft()

    def _keep_status(self, value: dict[str, Any]) -> None:
        shard = f"{value.get('stage')}/{value.get('shard')}"
        self.held_up.pop(shard, None)
        reason = str(value.get("reason") or "")
        if value.get("state") == "running" and reason:
            self.held_up[shard] = reason
        elif value.get("state") == "parked":
            why = reason.partition("\n")[0]
            self.held_up[shard] = why if why.startswith("parked") else f"parked: {why}"

    def _decided(self, ce_type: str, value: dict[str, Any], at_s: float) -> None:
        pid = str(value.get("proposal_id", ""))
        match ce_type:
            case names.PROPOSAL_V1:
                self.rates[PROPOSALS].add(at_s)
                self._proposed[pid] = value["kind"], str(value["arguments"].get("machine", "")), value["confidence"]
            case names.REVIEW_OPENED_V1:
                self.waiting.add(pid)
                self._verdict(pid, REVIEW, at_s)
            case names.REVIEW_SETTLED_V1:
                self.waiting.discard(pid)
                self.settled[value["result"]] += 1
                self._tell(pid, value["result"])
                self._proposed.pop(pid, None)
            case names.ACTION_V1:
                self.rates[ACTIONS].add(at_s)
                if value["verdict"] != "review":
                    self._verdict(pid, ALLOWED if value["verdict"] == "allow" else MODIFIED, at_s)
            case names.DENIAL_V1 if pid in self._proposed:
                self._verdict(pid, DENIED, at_s)
            case names.OUTCOME_V1:
                self.rates[OUTCOMES].add(at_s)
            case names.LABEL_V1:
                self.rates[LABELS].add(at_s)

    def _verdict(self, pid: str, how: str, at_s: float) -> None:
        self.rates[how].add(at_s)
        self._tell(pid, how)
        if how != REVIEW:
            self._proposed.pop(pid, None)

    def _tell(self, pid: str, how: str) -> None:
        found = self._proposed.get(pid)
        if found is not None:
            kind, machine, confidence = found
            self.latest.appendleft(Line(machine, kind.replace("_", " "), how, confidence))


def _before(history: Iterable[tuple[float, ShardFigures]], at_s: float) -> ShardFigures | None:
    """The newest figures up to that moment, else the first ones, unless they are the shard's first at all."""
    first = next(iter(history))[1]
    older = [figures for at, figures in history if at <= at_s]
    return older[-1] if older else first if first.baseline_labels >= FIGURES_EVERY else None


def _together(parts: list[tuple[ShardFigures, ShardFigures | None]]) -> Accuracy:
    def since(name: str) -> int:
        return sum(getattr(new, name) - (getattr(old, name) if old else 0) for new, old in parts)

    hits, missed, false, quiet = (since(n) for n in ("true_alarms", "missed", "false_alarms", "true_quiet"))
    labels = hits + missed + false + quiet
    recalls = [part / whole for part, whole in ((hits, hits + missed), (quiet, quiet + false)) if whole]
    compared = since("baseline_labels")
    return Accuracy(
        labels=labels,
        accuracy=(hits + quiet) / labels if labels else None,
        balanced=sum(recalls) / len(recalls) if recalls else None,
        baseline=since("baseline_correct") / compared if compared else None,
    )
