"""Performer (log → world): commits an intent, does the deed, commits the outcome. It isn't replayed.

The world can't be fenced, so nothing is done before the log says that it is going to be, and whoever takes a
shard over finds in the journal's newest record what its predecessor had open.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rivergate.domain.clock import SECOND, parse_rfc3339, rfc3339
from rivergate.domain.errors import CommitUnknown, RivergateError, TransactionAborted
from rivergate.domain.journal import CommitRecord, Range
from rivergate.domain.record import Position, Record
from rivergate.kernel import batch_span
from rivergate.kernel.brake import NONE
from rivergate.kernel.commit import commit, dead_letter, prepare
from rivergate.kernel.deeds import Deeds, Raised
from rivergate.kernel.draft import Draft, Open, Unsettled
from rivergate.kernel.history import History, Since
from rivergate.kernel.intake import Intake
from rivergate.kernel.ownership import look_for_successor, refuse_successor
from rivergate.kernel.quiet import Quiet
from rivergate.kernel.rebuilds import Rebuilds
from rivergate.kernel.shard import ShardSpec, Standing, in_order
from rivergate.kernel.start import (
    check_positions,
    newest_commit,
    newest_commit_from,
    refuse_clock_ahead,
    refuse_what_was_read,
)
from rivergate.kernel.tools import Limits, Tools
from rivergate.kernel.work import Deed, Failed, Known, Waits, Work
from rivergate.ports import Batch, Outputs, ShardLog

_LOG = logging.getLogger("rivergate.kernel")

THREADS = 8
BUSY_WAIT_S = 0.005
HANGS_S = 60.0


class Performer:
    """One shard's loop, used like a `Transactor` and from one thread; deeds run in threads of their own.

    At most `Limits.open` records are open at a time: a slow effector slows intake, never memory. Topics in `replies`
    are read even then, and whatever the brake says, since their records finish others. `recalls` are topics whose
    records of what is open a successor reads again. After a commit that failed, the state is taken from the journal
    again; deeds in flight are awaited first, so that none runs beside its own successor in this process, and what
    came of them is kept: for as long as the broker is away, each step tries again to take the state from the journal, and
    returns, so that a stop is heard between them.
    """

    def __init__(
        self,
        spec: ShardSpec,
        log: ShardLog,
        work: Callable[[], Work],
        tools: Tools,
        limits: Limits,
        *,
        replies: Collection[str] = (),
        recalls: Collection[str] = (),
    ) -> None:
        self.spec = spec
        self._log = log
        self._make_work = work
        self._work = work()
        self._tools = tools
        self._limits = limits
        self._no_replies = frozenset(tp for tp in spec.inputs if tp[0] not in replies)
        self._intake = Intake(log, tools.brake)
        self._quiet = Quiet(log, spec, limits.idle_positions_s, tools.monotonic)
        self._since = Since(log, [(t, p) for t in recalls for p in sorted({p for _, p in spec.inputs})])
        self.standing = Standing()
        self._open: Open = {}
        self._attempted = self._draft({})
        self._deeds = Deeds(spec.name, THREADS, tools.monotonic)
        self._hangs: Position | None = None
        self._full = False
        self._draining = False
        self._rebuilds = Rebuilds(spec, limits.rebuilds_a_minute)
        self._unsettled: Unsettled | None = None
        self._unreadable: RivergateError | None = None
        self._away = threading.Event()  # nobody sets it: steps in an outage wait on it

    def open(self) -> None:
        """Fence, journal's tail, what is open, check, consume. Raises `ShardParked`, `BrokerUnavailable`."""
        self._log.open()
        self._take_over(newest_commit(self._log, self.spec), {}, new_owner=True)

    def step(self) -> bool:
        """Commit what has been done, what is going to be, or what was passed; False where there was nothing of it."""
        self._tell_what_hangs()
        if self._unsettled is not None:
            return self._rebuild(self._unsettled)
        busy = self._deeds.in_flight > 0 or bool(self._deeds.turns())
        passed = [] if busy else self._quiet.due(self.standing)
        if passed:
            self._commit_or_rebuild(passed=passed)
            return True
        results = self._deeds.take(0.0 if self._deeds.turns() else BUSY_WAIT_S)
        records = self._read_unless_it_failed(0.0 if busy else self._limits.wait_s, results)
        turns = self._deeds.turns() if self._unreadable is None else ()
        if not records and not results and not turns:
            return False
        self._commit_or_rebuild(records, results, turns)
        return True

    def drain(self) -> None:
        """Do what an intent was committed for, and commit what came of it and what was passed; read nothing more.

        Raises `BrokerUnavailable` instead of waiting for the broker.
        """
        self._draining = True
        if self._unsettled is not None:
            self._rebuild(self._unsettled)
        self._finish_deeds()
        passed = self._quiet.ranges(self.standing)
        if passed:
            self._commit_or_rebuild(passed=passed)
            self._finish_deeds()

    def _finish_deeds(self) -> None:
        while self._deeds.in_flight:
            results = self._deeds.take(self._limits.wait_s)
            if results:
                self._commit_or_rebuild(results=results)

    def close(self) -> None:
        """Give the shard up, once what is in flight has ended; what only waits is called off."""
        self._work.interrupt()
        self._deeds.close()
        self._work.close()
        self._log.close()

    def _read_unless_it_failed(self, wait_s: float, results: Sequence[tuple[Deed, Any]]) -> Sequence[Record]:
        """Once reading has failed, nothing is read and nothing more begun: records may have been lost with the error. What
        came of deeds is committed, and then it is raised.
        """
        if self._unreadable is None:
            try:
                return self._read(wait_s)
            except RivergateError as e:
                self._unreadable = e
        if not results and not self._deeds.in_flight:
            raise self._unreadable
        return ()

    def _read(self, wait_s: float) -> Sequence[Record]:
        """Records of all inputs, or of replies alone while too much is open."""
        limit, most = self._limits.batch, self._limits.open
        room = most - len(self._open)
        self._full = room < max(1, most // 4) if self._full else room <= 0
        self._intake.adapt(None, self.standing, self._no_replies if self._full else NONE)
        return self._log.poll(limit if self._full else min(limit, room), wait_s)

    def _tell_what_hangs(self) -> None:
        """Say what a shard waits for that nobody but its effector can end."""
        oldest = self._deeds.oldest()
        hangs, age_s = oldest if oldest is not None and oldest[1] > HANGS_S else (None, 0.0)
        if hangs != self._hangs:
            self._hangs = hangs
            since = rfc3339(self._tools.clock() - int(age_s * SECOND))
            self._tools.waits("" if hangs is None else f"waits for what {hangs} asked for, since {since}")

    # --- one commit ----------------------------------------------------------------------------------------

    def _commit_or_rebuild(
        self,
        records: Sequence[Record] = (),
        results: Sequence[tuple[Deed, Any]] = (),
        turns: Sequence[Deed] = (),
        passed: Sequence[Range] = (),
    ) -> None:
        """What was read, what came of deeds, what may begin; `passed` are ranges without records, which a commit is for."""
        try:
            self._commit(records, results, turns, passed)
        except RivergateError as e:
            if not e.retryable:
                raise
            self._count(e)
            self._work.interrupt()
            self._deeds.stop()
            came = {deed.position: result for deed, result in results}
            self._unsettled = Unsettled(came, recycle=not isinstance(e, TransactionAborted))
            self._rebuild(self._unsettled)

    def _commit(
        self,
        records: Sequence[Record],
        results: Sequence[tuple[Deed, Any]],
        turns: Sequence[Deed],
        passed: Sequence[Range],
    ) -> None:
        ordered, ranges = in_order(records, self.spec.broadcast)
        ranges += passed
        refuse_what_was_read(self.spec, self.standing, ranges)
        draft = self._draft(dict(self._open))
        for deed, result in results:
            self._finish(draft, deed, result)
        for deed in turns:
            self._intend(draft, deed)
        for index, record in enumerate(ordered):
            planned = self._work.plan(draft.batch, record, index, draft.out)
            if planned is not None:
                draft.open[planned.position] = planned
                draft.planned.append(planned)
        draft.letters += [(ordered[i], why) for i, why in draft.out.skipped]
        self._write(draft, ranges, len(ordered))

    @staticmethod
    def _intend(draft: Draft, deed: Deed) -> None:
        assert deed.intend is not None  # noqa: S101 - it waits for its turn
        intended = deed.intend(draft.batch, draft.out)
        if intended is None:
            del draft.open[deed.position]
            draft.finished.append(deed)
        else:
            draft.open[deed.position] = intended
            draft.planned.append(intended)

    def _finish(self, draft: Draft, deed: Deed, result: Any) -> None:
        if isinstance(result, Raised):
            what = f"{self.spec.name}: a deed raised {result.error!r}"
            raise RivergateError(what, where=str(deed.position)) from result.error
        following = self._work.finish(draft.batch, deed, result, draft.out)
        if isinstance(following, Deed):
            draft.open[deed.position] = following
            draft.planned.append(following)
        elif isinstance(following, Waits):
            draft.open[deed.position] = None
        else:
            del draft.open[deed.position]
            draft.finished.append(deed)
            if isinstance(following, Failed):
                draft.letters.append((following.record, following.reason))

    def _write(self, draft: Draft, ranges: Sequence[Range], records: int) -> None:
        spec, standing, out = self.spec, self.standing, draft.out
        spans = out.spans
        if records or not ranges:  # ranges without records are nothing to tell of
            span = batch_span.of(spec, standing.seq, ranges, records, out.spans, draft.letters, draft.started_ns)
            spans = [*out.spans, span]
        prepared = prepare(
            spec,
            standing,
            clock=draft.batch.clock,
            ranges=ranges,
            outputs=[*out.records, *(dead_letter(spec, r, why) for r, why in draft.letters)],
            spans=self._tools.encoder.encode(spans) if spans else (),
            skipped=[r.position for r, _ in draft.letters],
            unfinished=sorted(draft.open),
        )
        after = standing.after(prepared.record, standing.journal_offset)
        record = replace(
            prepared.record,
            positions=tuple((t, p, o) for (t, p), o in sorted(after.positions.items())),
            since=self._since.of(draft.open),
        )
        self._intake.wrote(prepared.outputs)
        draft.record = record
        self._attempted = draft
        commit(self._log, spec, replace(prepared, record=record), self._tools.hook)
        offset, appended_ms = self._log.journal_appended()
        self.standing = replace(after, journal_offset=offset)
        if spec.accept_new_code is not None:
            self.spec = replace(spec, accept_new_code=None)
        refuse_clock_ahead(self.spec, self.standing, appended_ms, self._limits.clock_ahead_s)
        self._open = draft.open
        for deed in draft.finished:  # not before: the next of its key would be in the world ahead of this one's outcome
            self._deeds.release(deed)
        for deed in draft.planned:
            if not (self._draining and deed.repeatable):
                self._deeds.start(deed)

    def _draft(self, still_open: Open) -> Draft:
        clock = max(self.standing.clock, self._tools.clock())
        spec = self.spec
        batch = Batch(spec.app, spec.stage, spec.shard, self.standing.seq, clock, time.time_ns)
        return Draft(batch, Outputs(limit_bytes=self._limits.output_bytes), still_open, time.time_ns())

    # --- taking over, and after failures -------------------------------------------------------------------

    def _take_over(
        self, newest: tuple[CommitRecord, int] | None, known: Mapping[Position, Known], *, new_owner: bool
    ) -> None:
        self.standing = _standing_of(newest, self.standing.epoch, new_owner=new_owner)
        self._open = {}
        unfinished = [Position(*p) for p in newest[0].open] if newest else []
        self._since.begin({(t, p): o for t, p, o in newest[0].since} if newest else {}, unfinished)
        positions = check_positions(self._log, self.spec, self.standing)
        if unfinished:  # last: what may fail because the broker is away comes before deeds begin
            self._recover(unfinished, known)
        self._intake.read_from(positions)

    def _recover(self, unfinished: Sequence[Position], known: Mapping[Position, Known]) -> None:
        reader = self._tools.reader()
        try:
            records = [r for p in unfinished for r in reader.read(p.topic, p.partition, p.offset, p.offset + 1)]
            draft = self._draft({})
            history = History(reader, self._since)
            draft.planned += self._work.recover(draft.batch, records, history, known, draft.out)
        finally:
            reader.close()
        draft.open.update({d.position: d for d in draft.planned})
        self._write(draft, (), 0)

    def _have_come_back(self, unsettled: Unsettled) -> bool:
        """Whether no deed is in flight any more; then it is known what is open, and what came of it."""
        if unsettled.known is not None:
            return True
        if not self._deeds.have_ended:
            unsettled.came |= {deed.position: result for deed, result in self._deeds.take(self._limits.wait_s)}
            return False
        came = unsettled.came | {deed.position: result for deed, result in self._deeds.take(0.0)}
        unsettled.known = {p: Known(d, p in came, came.get(p)) for p, d in self._open.items() if d is not None}
        self._deeds = Deeds(self.spec.name, THREADS, self._tools.monotonic)
        return True

    def _rebuild(self, unsettled: Unsettled) -> bool:
        """Start from the journal with what is known. False where that has to wait for deeds in flight or for the broker:
        then nothing is lost and no deed has begun. A drain waits for the former, and for the latter it raises.
        """
        while not self._have_come_back(unsettled):
            if not self._draining:
                return False
        while True:
            try:
                self._start_again(unsettled)
            except RivergateError as e:
                if not e.retryable:
                    raise
                unsettled.recycle = not isinstance(e, TransactionAborted)
                if isinstance(e, TransactionAborted | CommitUnknown):
                    self._count(e)
                    continue
                if self._draining:
                    raise
                if not unsettled.told:
                    _LOG.warning("%s keeps what it knows, and waits for the broker: %s", self.spec.name, e.what)
                    unsettled.told = True
                self._away.wait(self._limits.wait_s)
                return False
            else:
                self._unsettled = self._unreadable = None  # it reads from where the journal says
                return True

    def _start_again(self, unsettled: Unsettled) -> None:
        own = self._attempted.is_of
        if unsettled.recycle:
            look_for_successor(self._tools.reader, self.spec, self.standing, own)
            self._log.recycle()
        newest = newest_commit_from(self._log, self.spec, self.standing.seq - 1)
        refuse_successor(self.spec, self.standing, newest and newest[0], own)
        if newest is not None and newest[0].seq == self.standing.seq:  # what failed was committed all the same
            unsettled.known = self._known_after(self._attempted, unsettled.known or {})
        self._work.close()
        self._work = self._make_work()
        self._take_over(newest, unsettled.known or {}, new_owner=False)

    def _count(self, failed: RivergateError) -> None:
        """A broker that is away is no reason to park."""
        _LOG.warning("%s: commit %d: %s", self.spec.name, self.standing.seq, failed.what)
        if isinstance(failed, TransactionAborted | CommitUnknown):
            self._rebuilds.count(f"failed commits ({failed.what})")

    @staticmethod
    def _known_after(draft: Draft, before: Mapping[Position, Known]) -> dict[Position, Known]:
        """What is known once a draft is committed none of whose deeds was begun."""
        planned = {d.position for d in draft.planned}
        open_now = {p: d for p, d in draft.open.items() if d is not None}
        return {
            p: before[p] if p in before and p not in planned else Known(d, begun=False) for p, d in open_now.items()
        }


def _standing_of(newest: tuple[CommitRecord, int] | None, epoch: int, *, new_owner: bool) -> Standing:
    """The journal's newest record is a performer's whole state."""
    if newest is None:
        return Standing(epoch=epoch)
    record, offset = newest
    return Standing(
        seq=record.seq + 1,
        epoch=record.epoch + 1 if new_owner else max(epoch, record.epoch),
        clock=parse_rfc3339(record.clock),
        digest=record.digest,
        positions={(t, p): o for t, p, o in record.positions},
        journal_offset=offset,
    )
