"""How far a move is: what the old app hasn't read, what isn't copied, what the new app hasn't learnt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_offsets import committed_offsets
from rivergate.adapters.kafka_status import read_statuses
from rivergate.domain import names
from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.record import TopicPartition
from rivergate.domain.wire import RekeyedRecord
from rivergate.kernel.past import journal_entries, newest_entry
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import LogArchive
from rivergate.runtime.rekey.newcomer import holding
from rivergate.runtime.rekey.plan import Plan

EXACTLY = 1_000
"""So many offsets are looked at one by one: transaction markers among them aren't records."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found at one time. Counts are records, exact where few are left, else offsets.

    `unread` by `stage topic`, what agents of the old app haven't read; `running` its agents' shards that aren't parked;
    `uncopied` by topic; `unlearnt` by shard of the new app, what was copied and not read; `absent` its shards that haven't
    begun; `in_flight` by what it is, what the old app goes on settling. `ends` is where the old topics ended before anything
    else was looked at. `fired` is the time up to which the old agents' timers have fired, `last_event` when the newest event
    of the old topics was stamped (both in microseconds).
    """

    unread: Mapping[str, int]
    running: tuple[str, ...]
    uncopied: Mapping[str, int]
    unlearnt: Mapping[str, int]
    absent: tuple[str, ...]
    in_flight: Mapping[str, int]
    ends: Mapping[TopicPartition, int]
    fired: Micros
    last_event: Micros

    @property
    def missing(self) -> list[tuple[str, str]]:
        """What stands in the way of a release, each with its remedy; nothing if it may be."""
        found = []
        if self.unread:
            found.append((f"the old agents haven't read {_listed(self.unread)}", WAIT_OLD))
        if self.running:
            found.append((f"the old agents' shards {', '.join(self.running)} aren't parked", PARK))
        if self.uncopied:
            found.append((f"not copied yet: {_listed(self.uncopied)}", WAIT_COPY))
        if self.absent:
            found.append((f"the new agents' shards {', '.join(self.absent)} haven't begun", START))
        if self.unlearnt:
            found.append((f"the new agents haven't read {_listed(self.unlearnt)} of the copies", WAIT_NEW))
        return found


WAIT_OLD = "pause the producers; let the old app run until its agents have read it; resume what is parked"
PARK = "`rivergate shards park STAGE/N` each, once they have read all: what timers were due later is the new app's"
WAIT_COPY = "pause the producers, and let the copy run: `rivergate rekey`, as for the copy"
START = "start the new app, and wait until it runs: `rivergate run`"
WAIT_NEW = "wait; `rivergate shards list` says how far it is"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} of {what}" for what, n in counts.items())


class Look:
    """Looks at both apps. One thread."""

    def __init__(self, plan: Plan, bootstrap: str, reader: LogArchive) -> None:
        self._plan = plan
        self._bootstrap = bootstrap
        self._reader = reader

    def facts(self, newest: RekeyedRecord) -> Facts:
        """What there is now. The ends are taken first, so whatever comes while it looks stands behind them."""
        ends = self.ends()
        stages = self._old_stages()
        old = [tp for t in self._plan.topics for tp in self._reader.partitions(t)]
        began = dict(holding(self._plan, self._reader))
        return Facts(
            unread={k: n for stage in stages for k, n in self._unread(stage, old)},
            running=self._running(stages),
            uncopied=_by_topic(((t, p), self.between((t, p), o)) for t, p, o in newest.positions),
            unlearnt={k: n for stage in self._plan.stages for k, n in self._unlearnt(stage, newest)},
            absent=tuple(shard for shard, holds in began.items() if holds is None),
            in_flight={k: n for k, n in self._in_flight() if n},
            ends=ends,
            fired=max(
                (self._clock(stage, shard) for stage, shards in stages.items() for shard in range(shards)), default=0
            ),
            last_event=self._last_event(),
        )

    def ends(self) -> dict[TopicPartition, int]:
        """Where what is copied ends now."""
        return {tp: self._reader.watermarks(tp)[1] for t in self._plan.topics for tp in self._reader.partitions(t)}

    def between(self, tp: TopicPartition, at: int, end: int | None = None) -> int:
        """Records from an offset on, up to another or to the end."""
        low, high = self._reader.watermarks(tp)
        start, end = max(low, at), high if end is None else end
        if end - start > EXACTLY:
            return end - start
        return sum(1 for _ in self._reader.read(*tp, start, end)) if start < end else 0

    # --- the old app -------------------------------------------------------------------------------------------

    def _old_stages(self) -> dict[str, int]:
        """Agents of the old app and their number of shards, by their journals."""
        admin = KafkaAdmin(self._bootstrap)
        try:
            prefix = names.journal_topic(self._plan.of, "")
            stages = [t.removeprefix(prefix) for t in admin.names() if t.startswith(f"{prefix}{names.agent_stage('')}")]
        finally:
            admin.close()
        return {s: len(self._reader.partitions(names.journal_topic(self._plan.of, s))) for s in stages}

    def _unread(self, stage: str, inputs: list[TopicPartition]) -> Iterator[tuple[str, int]]:
        """What a stage that reads these topics hasn't read. One of another name is known by its offsets."""
        at = committed_offsets(self._bootstrap, f"{self._plan.of}.{stage}", inputs)
        reads = {t for t, _ in at} | set(self._plan.stages.get(stage, ()))
        ours = [tp for tp in inputs if tp[0] in reads]
        at |= self._recorded(self._plan.of, stage, [tp for tp in ours if tp not in at])
        for topic, n in _by_topic((tp, self.between(tp, at.get(tp, 0))) for tp in ours).items():
            yield f"{topic} ({stage})", n

    def _recorded(self, app: str, stage: str, wanted: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the journal says that it stands, where Kafka has forgotten the offset, or there never was one."""
        found: dict[TopicPartition, int] = {}
        for tp in wanted:
            if self.between(tp, 0):
                spec = ShardSpec(app, stage, tp[1], (), "", "")
                for record, _ in journal_entries(spec, self._reader):
                    found[tp] = max((r.end for r in record.ranges if r[:2] == tp), default=found.get(tp, 0))
        return found

    def _running(self, stages: Mapping[str, int]) -> tuple[str, ...]:
        """Shards that no operator has parked, or that haven't drained yet."""
        parked: dict[str, dict[str, str]] = {}
        for r in self._reader.scan(names.topic(self._plan.of, names.ASSIGNMENTS), 0):
            value = r.json_object or {}
            if r.ce_type == names.ASSIGNMENT_V1 and "stage" in value:
                parked[value["stage"]] = value.get("parked", {})
        status = read_statuses(self._bootstrap, self._plan.of)
        drained = {shard for shard, found in status.items() if found.state == "parked"}
        every = [(stage, n) for stage, shards in stages.items() for n in range(shards)]
        return tuple(f"{s}/{n}" for s, n in every if str(n) not in parked.get(s, {}) or (s, n) not in drained)

    def _clock(self, stage: str, shard: int) -> Micros:
        newest = newest_entry(ShardSpec(self._plan.of, stage, shard, (), "", ""), self._reader)
        return 0 if newest is None else parse_rfc3339(newest[0].clock)

    def _last_event(self) -> Micros:
        own = {names.topic(self._plan.of, n) for n in (names.LABELS, names.MESSAGES)}
        newest = 0
        for topic in self._plan.topics.keys() - own:
            for tp in self._reader.partitions(topic):
                low, high = self._reader.watermarks(tp)
                for r in self._reader.read(*tp, max(low, high - EXACTLY), high):
                    newest = max(newest, r.timestamp_ms * 1000)
        return newest

    def _in_flight(self) -> Iterator[tuple[str, int]]:
        """What the old gate, its people and its effects will still settle."""
        of = self._plan.of
        for stage, topic, what in (
            (names.GATE, names.PROPOSALS, "proposals that aren't judged"),
            (names.EFFECTS, names.ACTIONS, "actions that aren't begun"),
        ):
            tps = self._reader.partitions(names.topic(of, topic))
            at = committed_offsets(self._bootstrap, f"{of}.{stage}", tps)
            yield what, sum(self.between(tp, at.get(tp, 0)) for tp in tps)
        journal = names.journal_topic(of, names.EFFECTS)
        newest = [
            newest_entry(ShardSpec(of, names.EFFECTS, p, (), "", ""), self._reader)
            for _, p in self._reader.partitions(journal)
        ]
        yield "actions without an outcome", sum(len(e[0].open) for e in newest if e is not None)
        yield "open reviews", self._open_reviews()

    def _open_reviews(self) -> int:
        opened: set[str] = set()
        settled: set[str] = set()
        for tp in self._reader.partitions(names.topic(self._plan.of, names.REVIEWS)):
            for r in self._reader.scan(*tp):
                kind = {names.REVIEW_OPENED_V1: opened, names.REVIEW_SETTLED_V1: settled}.get(r.ce_type)
                if kind is not None:
                    kind.add((r.json_object or {}).get("proposal_id", ""))
        return len(opened - settled)

    # --- the new app -------------------------------------------------------------------------------------------

    def _unlearnt(self, stage: str, newest: RekeyedRecord) -> Iterator[tuple[str, int]]:
        wanted = {self._plan.topics[t] for t in self._plan.stages[stage]}
        ends = {(t, p): end for t, p, end in newest.ends if t in wanted}
        at = committed_offsets(self._bootstrap, f"{self._plan.to}.{stage}", ends)
        at |= self._recorded(self._plan.to, stage, ends.keys() - at.keys())
        for (topic, p), end in ends.items():
            if n := self.between((topic, p), at.get((topic, p), 0), end):
                yield f"{topic} ({stage}/{p})", n


def _by_topic(counts: Iterable[tuple[TopicPartition, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (topic, _), n in counts:
        if n:
            found[topic] = found.get(topic, 0) + n
    return found


def now() -> Micros:
    """Wall clock."""
    return time.time_ns() // 1000
