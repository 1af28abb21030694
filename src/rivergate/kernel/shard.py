"""What a shard is, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rivergate.domain import names
from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.ids import ZERO_DIGEST
from rivergate.domain.journal import Adopted, Began, CommitRecord, Range, SnapshotRef
from rivergate.domain.record import Record, TopicPartition


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """A shard as the supervisor assigns it. `inputs` include every partition of the `broadcast` topics.

    `code` is the digest of the code that folds; `worker` names the incarnation that owns the shard;
    `accept_new_code` (who, why) lets other code than the journal's go on; `begin` (`beginning`, or RFC 3339) is where a
    shard without a journal begins with history, muted; `model` the digest of an imported model that such a shard adopts.
    `rekey` is the topic that says whether the app is being rekeyed (`kernel.holding`), for stages that hold meanwhile.
    """

    app: str
    stage: str
    shard: int
    inputs: tuple[TopicPartition, ...]
    code: str
    worker: str
    broadcast: tuple[str, ...] = ()
    accept_new_code: dict[str, str] | None = None
    begin: str | None = None
    model: str | None = None
    rekey: str | None = None

    @property
    def name(self) -> str:
        """`stage/shard`."""
        return f"{self.stage}/{self.shard}"

    @property
    def journal(self) -> TopicPartition:
        """The partition of the shard's journal."""
        return names.journal_topic(self.app, self.stage), self.shard

    @property
    def group(self) -> str:
        """Consumer group that the stage's offsets are committed to."""
        return names.group(self.app, self.stage)

    @property
    def transactional_id(self) -> str:
        """The one fence of the shard."""
        return f"{self.app}.{self.stage}.{self.shard}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a shard stands after its newest commit. `seq` is that of the next commit, which is muted as long as `began`
    is there: the shard hasn't caught up. `adopted` is the model that it began with, if it was given one.
    """

    seq: int = 0
    epoch: int = 0
    clock: Micros = 0
    digest: str = ZERO_DIGEST
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    snapshot: SnapshotRef | None = None
    journal_offset: int = -1
    began: Began | None = None
    adopted: Adopted | None = None

    def after(self, record: CommitRecord, journal_offset: int) -> Standing:
        """Where it stands once `record` is committed (at this offset of the journal)."""
        positions = dict(self.positions)
        for r in record.ranges:
            positions[r.topic, r.partition] = r.end
        clock = parse_rfc3339(record.clock)
        began = record.began or self.began
        return replace(
            self,
            seq=record.seq + 1,
            epoch=record.epoch,
            clock=clock,
            digest=record.digest,
            positions=positions,
            snapshot=record.snapshot,
            journal_offset=journal_offset,
            began=None if began is None or _has_caught_up(began, clock, positions) else began,
            adopted=record.adopted or self.adopted,
        )


def _has_caught_up(began: Began, clock: Micros, positions: Mapping[TopicPartition, int]) -> bool:
    """Whether all that was past when the shard began is read, and what was due by then has fired."""
    return clock >= parse_rfc3339(began.at) and all(
        positions.get((r.topic, r.partition), 0) >= r.end for r in began.past
    )


def in_order(records: Sequence[Record], first: Iterable[str] = ()) -> tuple[list[Record], list[Range]]:
    """The batch regrouped by partition, and the ranges that say so: the order in which it is folded.

    Broadcast topics (`first`) come first, then partitions in the order of their first record.
    """
    groups: dict[TopicPartition, list[Record]] = {}
    topic, partition = "", -1
    group: list[Record] = []
    for r in records:  # they come in runs of one partition
        if r[1] != partition or r[0] != topic:
            topic, partition = r[0], r[1]
            group = groups.setdefault((topic, partition), [])
        group.append(r)
    ahead = set(first)
    order = sorted(groups, key=lambda tp: tp[0] not in ahead) if ahead else list(groups)
    ranges = [Range(t, p, groups[t, p][0].offset, groups[t, p][-1].offset + 1) for t, p in order]
    if len(order) == 1:
        return groups[order[0]], ranges
    return [r for tp in order for r in groups[tp]], ranges


def in_runs(records: Sequence[Record]) -> list[Range]:
    """The ranges of a batch that is folded in the order it came in; a partition may have several."""
    ranges: list[Range] = []
    for r in records:
        if ranges and (ranges[-1].topic, ranges[-1].partition) == (r.topic, r.partition):
            ranges[-1] = ranges[-1]._replace(end=r.offset + 1)
        else:
            ranges.append(Range(r.topic, r.partition, r.offset, r.offset + 1))
    return ranges


def offsets(ranges: Iterable[Range]) -> str:
    """Ranges in words."""
    return ", ".join(f"{r.end - r.start:,} offsets of {r.topic}/{r.partition} from {r.start} on" for r in ranges)
