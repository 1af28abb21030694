"""A shard as the kit drives it: one fold, one commit a record, undone and replayed as the kernel does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rivergate.agents import Agent
from rivergate.agents.fold import AgentFold
from rivergate.domain import names
from rivergate.domain.clock import Micros
from rivergate.domain.errors import RecordFailed, ReplayMismatch
from rivergate.domain.record import Output, Record
from rivergate.domain.span import Span
from rivergate.ports import Batch, Outputs


class TestedShard:
    """Keeps what was committed, so that a failure can be undone by folding it again, and determinism be checked."""

    __test__ = False

    def __init__(self, app: str, agent: type[Agent], shard: int, *, restore: bool, model: bytes | None = None) -> None:
        self._app = app
        self._kind = agent
        self._number = shard
        self._restore = restore
        self._model = model
        self._committed: list[tuple[Micros, Sequence[Record]]] = []
        self._ticks = itertools.count()
        self._fold = self._new_fold()
        self.outputs: list[Output] = []
        self.spans: list[Span] = []

    @property
    def agent(self) -> Agent:
        """The instance."""
        return self._fold.state.agent

    def next_deadline(self) -> Micros | None:
        """When the next timer is due."""
        return self._fold.next_deadline()

    def digest(self) -> str:
        """Digest of the state."""
        return self._fold.digest()

    def commit(self, records: Sequence[Record], clock: Micros) -> str | None:
        """Fold and keep; returns why the record became a dead letter, if it did.

        A timer that raises is the caller's to see: the kernel would stop the shard.
        """
        out = Outputs()
        reason = None
        try:
            self._fold.fold(self._batch(len(self._committed), clock), records, out)
        except RecordFailed as e:
            if not records:
                raise
            reason = e.reason
            self._fold = self._folded_again()[0]
            records, out = (), Outputs()
            self._fold.fold(self._batch(len(self._committed), clock), records, out)
        if out.skipped:
            reason = out.skipped[0][1]
            records = ()
        self._committed.append((clock, records))
        self.outputs += out.records
        self.spans += out.spans
        if self._restore:
            restored = AgentFold(self._app, self._kind)
            restored.load(self._fold.dump())
            self._fold = restored
        return reason

    def demand_same_again(self) -> None:
        """Fold all that was committed from nothing. Raises `ReplayMismatch` where anything comes out otherwise."""
        fold, outputs = self._folded_again()
        for number, (first, again) in enumerate(itertools.zip_longest(self.outputs, outputs)):
            if first != again:
                raise ReplayMismatch(
                    f"output {number} of {self._kind.__name__} comes out otherwise when folded again: "
                    f"{_brief(first)}, then {_brief(again)}",
                    remedy=_REMEDY,
                )
        if fold.digest() != self._fold.digest():
            raise ReplayMismatch(
                f"the state of {self._kind.__name__} comes out otherwise when folded again", remedy=_REMEDY
            )

    def _folded_again(self) -> tuple[AgentFold, list[Output]]:
        fold = self._new_fold()
        outputs: list[Output] = []
        for seq, (clock, records) in enumerate(self._committed):
            out = Outputs()
            fold.fold(self._batch(seq, clock), records, out)
            outputs += out.records
        return fold, outputs

    def _new_fold(self) -> AgentFold:
        fold = AgentFold(self._app, self._kind)
        if self._model is not None:
            fold.adopt(self._model)
        return fold

    def _batch(self, seq: int, clock: Micros) -> Batch:
        stage = names.agent_stage(self._kind.name)
        return Batch(self._app, stage, self._number, seq, clock, lambda: next(self._ticks))


_REMEDY = "take time from `ctx.now` and randomness from `ctx.random`, sort sets, and read nothing from outside"


def _brief(output: Output | None) -> str:
    return "nothing" if output is None else f"{output.topic} {(output.value or b'')[:120]!r}"
