"""Performer (log → world): commits an intent, does the deed, commits the outcome. It isn't replayed.

The world can't be fenced, so nothing is done before the log says that it is going to be, and whoever takes a
shard over finds in the journal's newest record what its predecessor had open.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.errors import CommitUnknown, RivergateError, ShardParked, TransactionAborted
from rivergate.domain.journal import CommitRecord, Range
from rivergate.domain.record import Position, Record
from rivergate.kernel import batch_span
from rivergate.kernel.commit import commit, dead_letter, prepare
from rivergate.kernel.deeds import Deeds
from rivergate.kernel.shard import ShardSpec, Standing, in_order
from rivergate.kernel.start import check_positions, newest_commit, refuse_what_was_read
from rivergate.kernel.transactor import MINUTE_S, Limits, Tools
from rivergate.kernel.work import Deed, Work
from rivergate.ports import Batch, Outputs, ShardLog

_LOG = logging.getLogger("rivergate.kernel")

THREADS = 8
MAX_OPEN = 256
BUSY_WAIT_S = 0.005


class Performer:
    """One shard's loop, used like a `Transactor` and from one thread; deeds run in threads of their own.

    At most `MAX_OPEN` records are open at a time: a slow effector slows intake, never memory. After a commit
    that failed, the state is taken from the journal again; deeds in flight are awaited first, so that none runs
    beside its own successor in this process.
    """

    def __init__(self, spec: ShardSpec, log: ShardLog, work: Callable[[], Work], tools: Tools, limits: Limits) -> None:
        self.spec = spec
        self._log = log
        self._make_work = work
        self._work = work()
        self._tools = tools
        self._limits = limits
        self.standing = Standing()
        self._open: dict[Position, Deed | None] = {}
        self._deeds = Deeds(spec.name, THREADS)
        self._rebuilds: deque[float] = deque()

    def open(self) -> None:
        """Fence, journal's tail, what is open, check, consume. Raises `ShardParked`, `BrokerUnavailable`."""
        self._log.open()
        self._take_over(new_owner=True)

    def step(self) -> bool:
        """Commit what has been done and what is going to be; False where there was neither."""
        busy = self._deeds.in_flight > 0
        results = self._deeds.take(BUSY_WAIT_S)
        room = MAX_OPEN - len(self._open)
        wait_s = 0.0 if busy else self._limits.wait_s
        records = self._log.poll(min(self._limits.batch, room), wait_s) if room > 0 else ()
        if not records and not results:
            return False
        self._guarded(lambda: self._commit(records, results))
        return True

    def drain(self) -> None:
        """Finish what is in flight and commit its outcomes."""
        while self._deeds.in_flight:
            results = self._deeds.take(self._limits.wait_s)
            if results:
                self._guarded(lambda results=results: self._commit((), results))  # type: ignore[misc]

    def close(self) -> None:
        """Give the shard up, once what is in flight has ended."""
        self._deeds.close()
        self._work.close()
        self._log.close()

    # --- one commit ----------------------------------------------------------------------------------------

    def _commit(self, records: Sequence[Record], results: Sequence[tuple[Deed, object]]) -> None:
        spec = self.spec
        ordered, ranges = in_order(records, spec.broadcast)
        refuse_what_was_read(spec, self.standing, ranges)
        batch = self._batch()
        out = Outputs(limit_bytes=self._limits.output_bytes)
        started_ns = time.time_ns()
        planned: list[Deed] = []
        still_open = dict(self._open)
        for deed, result in results:
            following = self._work.finish(batch, deed, result, out)
            if following is None:
                del still_open[deed.position]
            else:
                still_open[deed.position] = following
                planned.append(following)
        for index, record in enumerate(ordered):
            deed_of = self._work.plan(batch, record, index, out)
            if deed_of is not None:
                still_open[record.position] = deed_of
                planned.append(deed_of)
        self._write(batch.clock, ordered, ranges, out, still_open, started_ns)
        self._open = still_open
        for deed in planned:
            self._deeds.start(deed)

    def _write(
        self,
        clock: Micros,
        ordered: Sequence[Record],
        ranges: Sequence[Range],
        out: Outputs,
        still_open: dict[Position, Deed | None],
        started_ns: int,
    ) -> None:
        spec = self.spec
        letters = [(ordered[i], why) for i, why in out.skipped]
        spans = [*out.spans, batch_span.of(spec, self.standing.seq, ranges, len(ordered), out.spans, letters, started_ns)]
        prepared = prepare(
            spec,
            self.standing,
            clock=clock,
            ranges=ranges,
            outputs=[*out.records, *(dead_letter(spec, r, why) for r, why in letters)],
            spans=self._tools.encoder.encode(spans),
            skipped=[r.position for r, _ in letters],
            unfinished=sorted(still_open),
        )
        after = self.standing.after(prepared.record, self.standing.journal_offset)
        record = replace(prepared.record, positions=tuple((t, p, o) for (t, p), o in sorted(after.positions.items())))
        commit(self._log, spec, replace(prepared, record=record), self._tools.hook)
        offset, _ = self._log.journal_appended()
        self.standing = replace(after, journal_offset=offset)

    def _batch(self) -> Batch:
        clock = max(self.standing.clock, self._tools.clock())
        spec = self.spec
        return Batch(spec.app, spec.stage, spec.shard, self.standing.seq, clock, time.time_ns)

    # --- taking over, and after failures -------------------------------------------------------------------

    def _take_over(self, *, new_owner: bool) -> None:
        newest = newest_commit(self._log, self.spec)
        self.standing, unfinished = _standing_of(newest, self.standing.epoch, new_owner=new_owner)
        self._open = {}
        if unfinished:
            self._recover(unfinished)
        self._log.seek(check_positions(self._log, self.spec, self.standing))

    def _recover(self, unfinished: Sequence[Position]) -> None:
        reader = self._tools.reader()
        try:
            records = [r for p in unfinished for r in reader.read(p.topic, p.partition, p.offset, p.offset + 1)]
            batch = self._batch()
            out = Outputs(limit_bytes=self._limits.output_bytes)
            deeds = self._work.recover(batch, records, reader, out)
        finally:
            reader.close()
        still_open: dict[Position, Deed | None] = {d.position: d for d in deeds}
        self._write(batch.clock, (), (), out, still_open, time.time_ns())
        self._open = still_open
        for deed in deeds:
            self._deeds.start(deed)

    def _guarded(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except (TransactionAborted, CommitUnknown) as e:
            _LOG.warning("%s: commit %d: %s", self.spec.name, self.standing.seq, e.what)
            self._count_rebuild(e)
            self._deeds.close()
            self._deeds = Deeds(self.spec.name, THREADS)
            self._work.close()
            self._work = self._make_work()
            if isinstance(e, CommitUnknown):
                self._log.recycle()
            self._take_over(new_owner=False)

    def _count_rebuild(self, cause: RivergateError) -> None:
        now = time.monotonic()
        self._rebuilds.append(now)
        while now - self._rebuilds[0] > MINUTE_S:
            self._rebuilds.popleft()
        if len(self._rebuilds) > self._limits.rebuilds_a_minute:
            raise ShardParked(
                f"{self.spec.name}: {len(self._rebuilds)} failed commits within a minute, the last: {cause.what}",
                remedy=f"mend the cause, then `rivergate shards resume {self.spec.name}`",
            )


def _standing_of(
    newest: tuple[CommitRecord, int] | None, epoch: int, *, new_owner: bool
) -> tuple[Standing, list[Position]]:
    """The journal's newest record is a performer's whole state."""
    if newest is None:
        return Standing(epoch=epoch), []
    record, offset = newest
    standing = Standing(
        seq=record.seq + 1,
        epoch=record.epoch + 1 if new_owner else max(epoch, record.epoch),
        clock=parse_rfc3339(record.clock),
        digest=record.digest,
        positions={(t, p): o for t, p, o in record.positions},
        journal_offset=offset,
    )
    return standing, [Position(*p) for p in record.open]
