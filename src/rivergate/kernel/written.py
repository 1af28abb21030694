"""What a shard's commits have written: found on the topics by the header that numbers each output."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from rivergate.domain import names
from rivergate.domain.clock import SECOND, Micros, parse_rfc3339
from rivergate.domain.journal import CommitRecord
from rivergate.domain.record import BY_KEY, Output, Record, TopicPartition
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import LogArchive

EARLIER = 90 * SECOND
"""Outputs are stamped by their producer's clock, which may be a minute off: so much earlier they are looked for."""
FAR = 600 * SECOND
"""Commits so far apart are looked for anew, instead of reading all that lies between."""
SLACK = 600 * SECOND
"""Clocks and stamps tell no more exactly than that what retention has removed."""
_NOTHING_LEFT: Micros = 1 << 62


def written_by(record: Record) -> tuple[str, int, int, int] | None:
    """(stage, shard, seq, n) that the header `rg_commit` names, or None where there is none that can be read."""
    parts = (record.header("rg_commit") or b"").decode(errors="replace").rsplit("/", 3)
    if len(parts) != 4 or not all(p.isdigit() for p in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2]), int(parts[3])


class Written:
    """Finds the outputs of one shard's commits. Asked for commits in ascending order, it reads each topic once, and none for
    commits from before its beginning.

    Wants a reader of its own: what the shard writes may be what it reads.
    """

    def __init__(self, spec: ShardSpec, archive: LogArchive) -> None:
        self._spec = spec
        self._archive = archive
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._partitions: dict[str, Sequence[TopicPartition]] = {}
        self._beginnings: dict[TopicPartition, Micros] = {}
        self._at = 0

    def of(self, recorded: CommitRecord, likely: Sequence[Output]) -> dict[int, Record]:
        """The records of a commit by their number. `likely` says where to look first."""
        clock = parse_rfc3339(recorded.clock)
        if clock - self._at > FAR:
            self._cursors.clear()
        self._at = clock
        found: dict[int, Record] = {}
        for topic, count in recorded.outputs.items():
            everywhere = self._everywhere(topic)
            first = {tp for o in likely if o.topic == topic for tp in self._places(o)}
            if first and all(self._begins_after(tp, recorded) for tp in first):
                continue
            rest = [tp for tp in everywhere if tp not in first]
            here: dict[int, Record] = {}
            for places in ([tp for tp in everywhere if tp in first], rest):
                here |= self._take(places, recorded)
                if len(here) >= count:
                    break
            else:
                here |= self._take_from_the_beginning(everywhere, recorded)
            found |= here
        return found

    def may_have_lost(self, recorded: CommitRecord, output: Output) -> bool:
        """Whether retention may have removed this output of a commit: what is left begins about then, or later."""
        places = self._places(output)
        written = parse_rfc3339(recorded.clock) - SLACK
        known = any(self._beginning(tp) >= written for tp in places)
        return known or any(self._beginning(tp, fresh=True) >= written for tp in places)

    def _begins_after(self, tp: TopicPartition, recorded: CommitRecord) -> bool:
        """Whether all of the commit is gone there. The clock of one that was muted is history's."""
        return recorded.muted is None and self._beginning(tp) > parse_rfc3339(recorded.clock) + SLACK

    def _beginning(self, tp: TopicPartition, *, fresh: bool = False) -> Micros:
        """When the first record that is left was stamped; 0 where nothing was ever removed. It may be later by now, unless
        it is asked for `fresh`.
        """
        if fresh or tp not in self._beginnings:
            self._cursors.pop(tp, None)
            began = 0
            if self._archive.watermarks(tp)[0] > 0:
                first = next(iter(self._archive.scan(*tp)), None)
                began = _NOTHING_LEFT if first is None else first.timestamp_ms * 1000
            self._beginnings[tp] = began
        return self._beginnings[tp]

    def _everywhere(self, topic: str) -> Sequence[TopicPartition]:
        if topic not in self._partitions:
            self._partitions[topic] = self._archive.partitions(topic)
        return self._partitions[topic]

    def _places(self, output: Output) -> Sequence[TopicPartition]:
        """Where an output may go: anywhere, where its key decides."""
        if output.partition == BY_KEY:
            return self._everywhere(output.topic)
        return [(output.topic, output.partition)]

    def _take(self, places: Iterable[TopicPartition], recorded: CommitRecord) -> dict[int, Record]:
        found: dict[int, Record] = {}
        for tp in places:
            cursor = self._cursors.get(tp)
            if cursor is None:
                start = self._archive.offset_at(tp, max(0, parse_rfc3339(recorded.clock) - EARLIER))
                cursor = self._cursors[tp] = _Cursor(self._spec, self._archive.scan(*tp, start))
            found |= cursor.take(recorded.seq)
        return found

    def _take_from_the_beginning(self, places: Iterable[TopicPartition], recorded: CommitRecord) -> dict[int, Record]:
        """Where the clocks were further apart than they should be, or where it is gone."""
        found: dict[int, Record] = {}
        for tp in places:
            found |= _Cursor(self._spec, self._archive.scan(*tp)).take(recorded.seq)
            self._cursors.pop(tp, None)
        return found


class _Cursor:
    """Reads a partition forward and keeps what is the shard's own."""

    def __init__(self, spec: ShardSpec, records: Iterator[Record]) -> None:
        self._own = f"{spec.app}."
        self._source = names.source(spec.app, spec.stage).encode()
        self._shard = spec.stage, spec.shard
        self._records = records
        self._ahead: deque[tuple[int, int, Record]] = deque()

    def take(self, seq: int) -> dict[int, Record]:
        """Records of commit `seq`; those of earlier ones are passed."""
        found: dict[int, Record] = {}
        while True:
            if not self._ahead and not self._read():
                return found
            at, n, record = self._ahead[0]
            if at > seq:
                return found
            self._ahead.popleft()
            if at == seq:
                found.setdefault(n, record)

    def _read(self) -> bool:
        for record in self._records:
            named = written_by(record)
            if named is not None and named[:2] == self._shard and self._is_of_the_app(record):
                self._ahead.append((named[2], named[3], record))
                return True
        return False

    def _is_of_the_app(self, record: Record) -> bool:
        """Users' topics may be another app's too, and `rg_commit` doesn't name the app."""
        return record.topic.startswith(self._own) or record.header("ce_source") == self._source
