"""Transactor (log → log): reads a batch, folds it, commits it with everything that belongs to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from rivergate.domain.clock import Micros
from rivergate.domain.errors import CommitUnknown, RecordFailed, ShardParked, SnapshotNotWritten, TransactionAborted
from rivergate.domain.journal import CommitRecord, Range, SnapshotRef
from rivergate.domain.record import Record
from rivergate.kernel import batch_span
from rivergate.kernel.beginning import TOO_LATE, Beginning, begin_anew
from rivergate.kernel.catching_up import Behind, mark
from rivergate.kernel.commit import Prepared, commit, dead_letter, prepare
from rivergate.kernel.flight import Flight
from rivergate.kernel.holding import history
from rivergate.kernel.intake import Intake
from rivergate.kernel.ownership import look_for_successor, of_this_owner, refuse_successor
from rivergate.kernel.quiet import Quiet
from rivergate.kernel.rebuilds import Rebuilds, mend
from rivergate.kernel.recovery import recover
from rivergate.kernel.shard import ShardSpec, Standing, in_order, in_runs, offsets
from rivergate.kernel.snapshotting import Snapshotting
from rivergate.kernel.start import check_positions, newest_commit_from, refuse_clock_ahead, refuse_what_was_read
from rivergate.kernel.tools import Limits, Tools
from rivergate.ports import Batch, Fold, Outputs, ShardLog

_LOG = logging.getLogger("rivergate.kernel")

MISSED = "%s: retention has removed %s before they were read; transaction markers, which hold no record, count, too"
RUN_S = 0.5
"""How long one step goes on to handle full batches, where they wait: its last commit has nothing to overlap with."""


class Transactor:
    """One shard's loop. All methods are called from one thread.

    `open` fences the previous owner and rebuilds the state; `step` leaves no commit under way; `drain` leaves
    a snapshot behind. After `Fenced` or `ShardParked` the object is of no further use but to be closed; every
    other failure is handled inside by rebuilding from the log.
    """

    def __init__(
        self, spec: ShardSpec, log: ShardLog, make_fold: Callable[[], Fold], tools: Tools, limits: Limits
    ) -> None:
        self.spec = spec
        self._log = log
        self._make_fold = make_fold
        self._tools = tools
        self._limits = limits
        self._fold = make_fold()
        self._intake = Intake(log, tools.brake)
        self._quiet = Quiet(log, spec, limits.idle_positions_s, tools.monotonic)
        self.standing = Standing()
        self._snapshot_is_named = True
        self._rebuilds = Rebuilds(spec, limits.rebuilds_a_minute)
        self._snapshots = Snapshotting(spec, log, tools, limits)
        self._flight = Flight(spec.name)
        self._behind: Behind | None = None

    @property
    def fold(self) -> Fold:
        """The shard's state, for the thread that runs the loop."""
        return self._fold

    def open(self) -> None:
        """Fence, journal's tail, state, check, consume: in this order. Raises `ShardParked`, `BrokerUnavailable`."""
        self._log.open()
        self._rebuild_state(new_owner=True)
        self._begin()
        self._read_on()

    def step(self) -> bool:
        """Read and commit a batch (those of `RUN_S`, where full ones wait), fire what is due, or commit what was passed;
        False where there was nothing to do. A shard that hasn't caught up reads history, and finds something to do unless it
        is held.
        """
        if self._behind is not None:
            return self._catch_up(self._behind)
        self._intake.adapt(self._fold, self.standing)
        passed = self._quiet.due(self.standing) if self._snapshots.pace.allows() else []
        if passed:
            self._commit_passed(passed)
            return True
        records = self._log.poll(self._limits.batch, self._wait_s())
        clock = max(self.standing.clock, self._tools.clock())
        if not records:
            due = self._fold.next_deadline()
            if due is None or due > clock:
                return self._keep()
        self._handle(records, clock)
        return True

    def drain(self) -> None:
        """Leave a snapshot at the newest sequence, that of a commit record made for it, so that other code can go on.

        The record says, too, up to where inputs were passed without a record.
        """
        while True:
            passed = self._quiet.ranges(self.standing)
            kept, newest = self.standing.snapshot, self.standing.seq - 1
            is_there = newest < 0 or (kept is not None and kept.seq == newest and self._snapshot_is_named)
            if is_there and not passed:
                return
            try:
                self._commit_snapshot(passed)
            except (TransactionAborted, CommitUnknown) as e:  # as after a connection that broke while nothing came
                self._begin_again(e)

    def close(self) -> None:
        """Give the shard up."""
        self._flight.close()
        if self._behind is not None:
            self._behind.close()
        self._log.close()

    # --- history -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Commit where a shard without a journal begins, and with which model, if it is to be said."""
        spec, tools = self.spec, self._tools
        if self.standing.seq:
            if spec.begin is not None or spec.model is not None:
                _LOG.info(TOO_LATE, spec.name, self.standing.seq - 1)
            return
        first = begin_anew(spec, self._fold, tools.reader, tools.snapshots.models, tools.versions, tools.clock)
        if first is not None:
            self._commit_snapshot(first.passed, first.clock, first)

    def _catch_up(self, behind: Behind) -> bool:
        """Fold what comes next in history, muted; behind the last of it, live. False where it has to be waited for."""
        records = behind.poll(self._limits.batch)
        ending = None if records else behind.ending(self.standing)
        if records:
            self._handle(records, behind.clock(records, self.standing.clock))
        elif ending is not None:
            passed, clock, began = ending
            if behind.is_cut_off:
                _LOG.warning(MISSED, self.spec.name, offsets(passed))
            self._commit_passed(passed, clock, Beginning(clock, passed, began))
        elif not self._keep():
            self._log.poll(1, self._limits.wait_s)  # it only waits: nothing is assigned
        self._tools.catching_up(*behind.progress(self.standing))
        begins_anew = ending is not None and behind.is_cut_off
        if begins_anew or self.standing.began != behind.began:  # it has an end now, or has come to it
            if self.standing.began is None:
                _LOG.info("%s has caught up after commit %d", self.spec.name, self.standing.seq - 1)
            self._read_on()
        return bool(records) or ending is not None

    # --- one batch -----------------------------------------------------------------------------------------

    def _handle(self, records: Sequence[Record], clock: Micros) -> None:
        """A batch, and the full ones that wait behind it: each is folded while the commit before it is in flight.

        No transaction begins before the one before it has ended well. Where it hasn't, what was folded meanwhile is
        thrown away with the rest of the state, and read again.
        """
        until = self._tools.monotonic() + RUN_S
        try:
            while True:
                self._handle_batch(records, clock, more=self._tools.monotonic() < until)
                if self._flight.record is None:
                    return
                if self._behind is None and self._intake.has_to_change(self._fold):
                    self._land()
                    return
                records = self._read_more()
                if not records:
                    return
                expected = self._expected().clock
                clock = self._behind.clock(records, expected) if self._behind else max(expected, self._tools.clock())
        except (TransactionAborted, CommitUnknown) as e:
            self._begin_again(e)
        finally:
            self._flight.wait()

    def _read_more(self) -> Sequence[Record]:
        """A full batch at once, else what has come once the commit in flight has landed: to wait makes fewer commits."""
        limit = self._limits.batch
        records = self._behind.poll(limit) if self._behind else self._log.poll(limit, 0.0)
        if len(records) < limit:
            self._land()
            if self._behind is None:
                records = [*records, *self._log.poll(limit - len(records), 0.0)]
        return records

    def _handle_batch(self, records: Sequence[Record], clock: Micros, *, more: bool) -> None:
        """Fold a batch and commit it, or leave its commit in flight where there may be `more` to fold."""
        ordered, ranges = self._in_order(records)
        refuse_what_was_read(self.spec, self._expected(), ranges)
        failed: RecordFailed | None = None
        while True:
            try:
                prepared = self._folded(ordered, ranges, clock, failed)
            except RecordFailed as e:
                self._land()
                if e.index < 0:
                    raise self._timer_failed(e) from e
                _LOG.warning("%s: record %s goes to the dead letters: %s", self.spec.name, e.where, e.reason)
                self._rebuild_state()
                ordered, ranges = self._in_order(ordered[: e.index + 1])
                failed = e
                continue
            self._land()
            self._intake.wrote(prepared.outputs)
            if more and failed is None and self._may_overlap(len(records)):
                commit(self._log, self.spec, prepared, self._tools.hook, partial(self._flight.start, prepared.record))
                return
            commit(self._log, self.spec, prepared, self._tools.hook)
            self._committed(prepared.record)
            if failed is not None:  # the rest of the batch is read again: what came before the failure is committed
                self._read_on()
            return

    def _in_order(self, records: Sequence[Record]) -> tuple[Sequence[Record], list[Range]]:
        """The order in which a batch is folded, and its ranges; history is in order."""
        return in_order(records, self.spec.broadcast) if self._behind is None else (records, in_runs(records))

    def _may_overlap(self, records: int) -> bool:
        """Only where a backlog waits, and nothing is to be done with the state or the spec before the next fold."""
        return records >= self._limits.batch and self.spec.accept_new_code is None and not self._snapshots.pace.is_due()

    def _folded(
        self, ordered: Sequence[Record], ranges: Sequence[Range], clock: Micros, failed: RecordFailed | None
    ) -> Prepared:
        """Fold a batch; its last record is the one that `failed`, if any, and isn't folded."""
        spec, standing = self.spec, self._expected()
        out = Outputs(limit_bytes=self._limits.output_bytes)
        started_ns = time.time_ns()
        started = time.perf_counter()
        handled = ordered if failed is None else ordered[:-1]
        self._fold.fold(Batch(spec.app, spec.stage, spec.shard, standing.seq, clock, time.time_ns), handled, out)
        self._snapshots.pace.folded(time.perf_counter() - started)
        if standing.began is not None:
            mark(out)
        letters = [(ordered[i], why) for i, why in out.skipped]
        if failed is not None:
            letters.append((ordered[-1], failed.reason))
        outputs = [*out.records, *(dead_letter(spec, r, why) for r, why in letters)] if letters else out.records
        spans = [*out.spans, batch_span.of(spec, standing.seq, ranges, len(ordered), out.spans, letters, started_ns)]
        return prepare(
            spec,
            standing,
            clock=clock,
            ranges=ranges,
            outputs=outputs,
            spans=self._tools.encoder.encode(spans),
            skipped=[r.position for r, _ in letters],
        )

    def _expected(self) -> Standing:
        """Where the shard stands once what is in flight has landed."""
        record = self._flight.record
        return self.standing if record is None else self.standing.after(record, self.standing.journal_offset)

    def _land(self) -> None:
        """Wait for the commit in flight, if there is one, and take it into account. Raises what it raised."""
        record = self._flight.land()
        if record is not None:
            appended_ms = self._stand_after(record)
            refuse_clock_ahead(self.spec, self.standing, appended_ms, self._limits.clock_ahead_s)

    def _begin_again(self, cause: TransactionAborted | CommitUnknown) -> None:
        """After a commit that failed the state is dirty: rebuild it from the log."""
        if isinstance(cause, CommitUnknown):
            _LOG.warning("%s: nobody knows how commit %d ended: %s", self.spec.name, self.standing.seq, cause.what)
            self._rebuilds.count(f"commits without an answer ({cause.what})")
            own = of_this_owner(self.spec, self.standing)
            look_for_successor(self._tools.reader, self.spec, self.standing, own)
            self._log.recycle()
        else:
            _LOG.warning("%s: commit %d was aborted: %s", self.spec.name, self.standing.seq, cause.what)
            self._rebuilds.count(f"aborted commits ({cause.what})")
        self._rebuild_state()
        self._read_on()

    def _timer_failed(self, failed: RecordFailed) -> ShardParked:
        return ShardParked(f"{self.spec.name}: a timer failed: {failed.reason}", remedy=mend(self.spec))

    # --- commits without records ---------------------------------------------------------------------------

    def _keep(self) -> bool:
        """Nothing comes, but a snapshot may be due, before retention removes what the state was folded from."""
        due = self._snapshots.pace.is_due_by_age()
        if due:
            self._commit_passed(self._quiet.ranges(self.standing))
        return due

    def _commit_passed(
        self, passed: Sequence[Range], clock: Micros | None = None, first: Beginning | None = None
    ) -> None:
        try:
            self._commit_snapshot(passed, clock, first)
        except (TransactionAborted, CommitUnknown) as e:
            self._begin_again(e)
        except SnapshotNotWritten as e:
            if first is not None:  # it names the state that it begins with
                raise
            self._snapshots.missed(e)

    def _commit_snapshot(
        self, passed: Sequence[Range], clock: Micros | None = None, first: Beginning | None = None
    ) -> None:
        """Commit ranges without records, and name a snapshot as new as that: what retention removes is needed no more.

        Nothing is to be folded at a clock that stands still (none is given), and a replay folds just that.
        """
        spec, standing, tools = self.spec, self.standing, self._tools
        clock = standing.clock if clock is None else clock
        out = Outputs(limit_bytes=self._limits.output_bytes)
        try:
            batch = Batch(spec.app, spec.stage, spec.shard, standing.seq, clock, time.time_ns)
            self._fold.fold(batch, (), out)
        except RecordFailed as e:
            raise self._timer_failed(e) from e
        if standing.began is not None:
            mark(out)
        if first is not None:
            out.spans.append(first.span(spec, standing.seq, time.time_ns()))
        prepared = prepare(
            spec,
            standing,
            clock=clock,
            ranges=passed,
            outputs=out.records,
            spans=tools.encoder.encode(out.spans) if out.spans else (),
        )
        record = prepared.record if first is None else first.marked(prepared.record)
        after = standing.after(record, standing.journal_offset)
        record = replace(record, snapshot=self._snapshots.take(after, self._fold))
        commit(self._log, spec, replace(prepared, record=record), tools.hook)
        self._stand_after(record)

    def _stand_after(self, record: CommitRecord) -> int:
        """Take a commit into account; returns the broker's time of it."""
        offset, appended_ms = self._log.journal_appended()
        self.standing = self.standing.after(record, offset)
        self._snapshot_is_named = True
        if self.spec.accept_new_code is not None:
            self.spec = replace(self.spec, accept_new_code=None)
        return appended_ms

    def _committed(self, record: CommitRecord) -> None:
        appended_ms = self._stand_after(record)
        refuse_clock_ahead(self.spec, self.standing, appended_ms, self._limits.clock_ahead_s)
        snapshot = self._snapshots.take_if_due(self.standing, self._fold)
        if snapshot is not None:
            self._name_next(snapshot)

    # --- state ---------------------------------------------------------------------------------------------

    def _rebuild_state(self, *, new_owner: bool = False) -> None:
        newest = newest_commit_from(self._log, self.spec, -1 if new_owner else self.standing.seq - 1)
        if newest is not None and not new_owner:
            refuse_successor(self.spec, self.standing, newest[0], of_this_owner(self.spec, self.standing))
        reader = self._tools.reader()
        started = time.perf_counter()
        try:
            found = recover(self.spec, newest, self._tools.snapshots, reader, self._make_fold, self._tools.progress)
        finally:
            reader.close()
        self._fold = found.fold
        self._snapshot_is_named = found.named and not found.replayed  # else it is older, or doesn't hold
        self._snapshots.recovered(found, time.perf_counter() - started)
        epoch = self.standing.epoch if not new_owner else (newest[0].epoch + 1 if newest else 0)
        self.standing = replace(found.standing, epoch=max(epoch, found.standing.epoch))
        if newest is not None and found.replayed and newest[0].code != self.spec.code:
            # of what the accepted code made of the old commits, which it can't be held against
            self._name_next(self._snapshots.take(self.standing, self._fold))

    def _read_on(self) -> None:
        """Read from where the shard stands; what was fetched before is fetched again."""
        positions = check_positions(self._log, self.spec, self.standing)
        if self._behind is not None:
            self._behind.close()
        self._behind = history(self.spec, self.standing, self._tools.reader, self._tools.clock)
        if self._behind is None:
            self._intake.read_from(positions)

    def _name_next(self, snapshot: SnapshotRef) -> None:
        """The next commit record names it."""
        self.standing = replace(self.standing, snapshot=snapshot)
        self._snapshot_is_named = False

    def _wait_s(self) -> float:
        due = self._fold.next_deadline()
        if due is None:
            return self._limits.wait_s
        return min(self._limits.wait_s, max(0.0, (due - self._tools.clock()) / 1e6))
