"""How far a round is, by the records that a concurrent reader sees; never by what the runtime says of itself."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping

from tests.checker.line import Line, Partition

FINAL = {"done", "failed", "refused"}


class Progress:
    """Any thread. `take` is fed by a reader; the rest is asked by whoever waits."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._newest: dict[Partition, int] = {}
        self._read: dict[tuple[str, Partition], int] = defaultdict(int)
        self._commits: dict[tuple[str, int], tuple[str, int]] = {}
        self._proposed: set[str] = set()
        self._ended: set[str] = set()
        self._waiting: set[str] = set()
        self._acting: set[str] = set()
        self._finished: set[str] = set()
        self._standings: set[tuple[int, int]] = set()
        self.actions = 0

    def take(self, line: Line) -> None:
        """Take a committed record into account."""
        with self._lock:
            if line.topic.startswith(f"{self._app}.journal."):
                self._commit(line)
            else:
                self._newest[line.topic, line.partition] = line.offset
                self._record(line)

    def outstanding(self) -> dict[str, int]:
        """What began and hasn't come to its end; empty once all has settled."""
        with self._lock:
            unread = sum(
                max(0, newest + 1 - self._read[stage, place])
                for place, newest in self._newest.items()
                for stage in self._stages_of(place[0])
            )
            found = {
                "records that a stage hasn't read": unread,
                "proposals without an end": len(self._proposed - self._ended - self._waiting),
                "reviews that wait": len(self._waiting - self._ended),
                "actions without a final outcome": len(self._acting - self._finished),
            }
        return {what: n for what, n in found.items() if n}

    def standings(self, mark: int) -> int:
        """How many shards have answered this closing."""
        with self._lock:
            return sum(1 for m, _ in self._standings if m == mark)

    def owners(self, stage: str) -> Mapping[int, str]:
        """The incarnation that committed last on each shard of a stage."""
        with self._lock:
            return {shard: worker for (s, shard), (worker, _) in self._commits.items() if s == stage}

    def newest_commit(self, stage: str, shard: int) -> int:
        """Sequence number of a shard's newest commit; -1 before the first."""
        with self._lock:
            return self._commits.get((stage, shard), ("", -1))[1]

    def _commit(self, line: Line) -> None:
        value = json.loads(line.value)
        stage, shard = value["stage"], value["shard"]
        self._commits[stage, shard] = (value["worker"], value["seq"])
        for topic, partition, _, end in value["ranges"]:
            place = (topic, partition)
            self._read[stage, place] = max(end, self._read[stage, place])

    def _record(self, line: Line) -> None:
        pid = str(line.get("proposal_id"))
        match line.kind:
            case "rivergate.proposal.v1":
                self._proposed.add(pid)
            case "rivergate.review.opened.v1":
                self._waiting.add(pid)
            case "rivergate.action.v1":
                self._acting.add(pid)
                self._ended.add(pid)
                self.actions = len(self._acting)
            case "rivergate.denial.v1":
                self._ended.add(pid)
            case "rivergate.outcome.v1" if line.get("status") in FINAL:
                self._finished.add(pid)
            case "chaos.standing":
                self._standings.add((int(line.get("mark")), int(line.get("shard"))))

    def _stages_of(self, topic: str) -> tuple[str, ...]:
        name = topic.removeprefix(self._app)
        if name in {"-readings", ".labels"}:
            return ("agent-tracker",)
        if name in {".proposals", ".decisions", ".outcomes"}:
            return ("gate",)
        return ("effects",) if name == ".actions" else ()
