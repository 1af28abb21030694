"""Counts a finished or running demo from its topics alone: shares nothing with the runtime that wrote them."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

FINAL = frozenset({"done", "failed", "refused"})
WATCHED = ("proposals", "reviews", "decisions", "actions", "denials", "outcomes", "labels", "dead_letters", "otlp_spans")
STAGES = ("agent-watcher", "gate", "effects")


@dataclass(slots=True)
class Reading:
    """What one stage read of one partition: ranges in the order of its journal."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    read_again: int = 0

    def add(self, start: int, end: int) -> None:
        """A commit's range; what reaches back behind the ranges before it was read again."""
        if self.ranges and start < self.ranges[-1][1]:
            self.read_again += self.ranges[-1][1] - start
        self.ranges.append((start, end))

    def covered(self, offsets: list[int]) -> int:
        """How many of these offsets (sorted) lie within the ranges."""
        return sum(bisect_left(offsets, end) - bisect_left(offsets, start) for start, end in self.ranges)


class Tally:
    """Takes committed records of an app's topics in any order across partitions. One thread."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.read: dict[tuple[str, str, int], Reading] = defaultdict(Reading)
        self.spans = 0
        self.doubled: list[str] = []
        self._values: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._gated: set[str] = set()

    def topics(self) -> list[str]:
        """What has to be read."""
        journals = [f"{self.app}.journal.{s}" for s in STAGES]
        return [f"{self.app}-telemetry", *(f"{self.app}.{n}" for n in WATCHED), *journals]

    def take(self, topic: str, partition: int, offset: int, value: bytes, headers: dict[str, bytes]) -> None:
        """Count one record."""
        self.offsets[topic, partition].append(offset)
        name = topic.removeprefix(f"{self.app}.")
        if name.startswith("journal."):
            self._journal(name.removeprefix("journal."), json.loads(value))
        elif name == "otlp_spans":
            self._spans(value)
        elif name in ("proposals", "reviews", "decisions", "actions", "denials", "outcomes"):
            self._record(headers.get("ce_type", b"").decode(), json.loads(value))

    def _journal(self, stage: str, value: dict[str, Any]) -> None:
        for topic, partition, start, end in value["ranges"]:
            self.read[stage, topic, partition].add(start, end)

    def _spans(self, value: bytes) -> None:
        for resource in TracesData.FromString(value).resource_spans:
            for scope in resource.scope_spans:
                self.spans += len(scope.spans)
                for span in scope.spans:
                    if span.name.startswith("gate "):
                        self._gated |= {
                            a.value.string_value for a in span.attributes if a.key == "rivergate.proposal.id"
                        }

    def _record(self, ce_type: str, value: dict[str, Any]) -> None:
        what = ce_type.removeprefix("rivergate.").removesuffix(".v1")
        if what == "outcome":
            what = "final" if value.get("status") in FINAL else "unknown"
        if what == "intent":
            return  # attempts may be several
        key = str(value["decision_id"] if what in ("decision", "review.decision_judged") else value["proposal_id"])
        index = self._values[what]
        if key in index and what not in ("decision", "review.amended", "unknown"):
            self.doubled.append(f"{what} {key}")
        index.setdefault(key, value)

    # --- figures -------------------------------------------------------------------------------------------

    def of(self, what: str) -> dict[str, dict[str, Any]]:
        """Records of one type by their id: `proposal`, `action`, `denial`, `review.opened`, `review.settled`, `final`…"""
        return self._values[what]

    def records(self, name: str) -> int:
        """Records on a topic, by its full name."""
        return sum(len(o) for (t, _), o in self.offsets.items() if t == name)

    @property
    def events(self) -> int:
        """Readings on the log."""
        return self.records(f"{self.app}-telemetry")

    @property
    def processed(self) -> int:
        """Readings that the agent's commits cover."""
        return self._covered("agent-watcher", f"{self.app}-telemetry")

    def settled(self, result: str) -> int:
        """Reviews that were settled so."""
        return sum(v["result"] == result for v in self.of("review.settled").values())

    def figures(self) -> dict[str, int]:
        """All counts of the demo's report."""
        opened, actions, denials = self.of("review.opened"), self.of("action"), self.of("denial")
        final = self.of("final")
        return {
            "events": self.events,
            "processed": self.processed,
            "proposals": len(self.of("proposal")),
            "allowed": sum(v["verdict"] in ("allow", "modify") for v in actions.values()),
            "denied": len(denials.keys() - opened.keys()),
            "reviewed": len(opened),
            "approved": self.settled("approved"),
            "rejected": self.settled("rejected"),
            "expired": self.settled("expired"),
            "actions": len(actions),
            "executed": sum(v["status"] == "done" for v in final.values()),
            "outcomes": len(final),
            "labels": self.records(f"{self.app}.labels"),
            "dead_letters": self.records(f"{self.app}.dead_letters"),
            "spans": self.spans,
            "actions_without_trace": len(actions.keys() - self._gated),
            "lost": self.lost(),
            "doubled": len(self.doubled) + sum(r.read_again for r in self.read.values()),
        }

    def lost(self) -> int:
        """Records that a stage never read, proposals without an end, actions without a final outcome."""
        ended = self.of("action").keys() | self.of("denial").keys()
        open_reviews = self.of("review.opened").keys() - self.of("review.settled").keys()
        without_end = len(self.of("proposal").keys() - ended - open_reviews)
        return self.behind() + without_end + len(self.of("action").keys() - self.of("final").keys())

    def behind(self) -> int:
        """Records on the stages' inputs that no commit covers (yet)."""
        inputs = {
            "agent-watcher": (f"{self.app}-telemetry", f"{self.app}.labels"),
            "gate": tuple(f"{self.app}.{n}" for n in ("proposals", "decisions", "outcomes")),
            "effects": (f"{self.app}.actions",),
        }
        return sum(self.records(t) - self._covered(stage, t) for stage, topics in inputs.items() for t in topics)

    def at_rest(self) -> bool:
        """Whether nothing is left to do: all read, no review open, every decision judged, every action ended."""
        open_reviews = self.of("review.opened").keys() - self.of("review.settled").keys()
        unanswered = self.of("decision").keys() - self.of("review.decision_judged").keys()
        return not open_reviews and not unanswered and self.lost() == 0

    def _covered(self, stage: str, topic: str) -> int:
        return sum(
            r.covered(self.offsets[t, p]) for (s, t, p), r in list(self.read.items()) if s == stage and t == topic
        )
