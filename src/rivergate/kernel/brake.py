"""The brake: which inputs a shard doesn't read for now, because what it writes, or keeps, waits in too great a number.

**Hop by hop.** Each shard looks at the next hop alone. An agent or a graph reads no more events while the gate is too
far behind on the partition that it writes its proposals to. The gate reads no more proposals of a partition while its
shard of effects is too far behind on the actions there (if the app has effectors), and none at all while too many
proposals wait for people.
Effects read no more actions while too many are open (`kernel.performer`). So a slow effector or a full review queue
makes records wait on the log, up to the events themselves, and never in a process.

**How far it goes.** A reader is asked how far behind it is at most twice a second, and what the shard has written
since it asked is added. So what waits exceeds the limit by no more than what one batch writes, of each stage that
writes there. A shard reads on once it has fallen to 80 % of the limit, else it would stop and go for each record.

**Only reading stops.** What is folded, in which order and under which clock, stands in the journal as ever, and a
replay knows of no brake. Timers fire, drains end, snapshots are made, what other partitions have passed is committed.
A shard that catches up with history isn't braked: it is muted, and writes no proposals.

**It ends in a standstill nowhere.** Who waits, waits for somebody whose way out isn't held back. Effects wait for the
world alone. The gate waits for effects, which read actions whatever the gate does, and for people: decisions,
outcomes and control are never held back, and a review that nobody looks at ends at its deadline, which is a timer.
Agents and graphs wait for the gate. A graph goes on to read what became of its proposals, since the events that it
has open end by that. Nobody waits for an agent: what it learns from (labels, messages) is held back with its events,
and stays on the log until it reads on. So the loop agent → gate → effects → labels → agent has an edge at which
nobody waits, and every wait comes to its end. A reader whose offsets the broker doesn't know, since it never read or
since they expired, is as far behind as what was written after the first look: were it the whole partition, whoever
waits would never write what makes the reader commit.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rivergate.domain.record import Output, TopicPartition
from rivergate.ports import Fold, Lag

_LOG = logging.getLogger("rivergate.kernel")

EVERY_S = 0.5
CALM_S = 10.0
ON_AGAIN = 0.8

Inputs = frozenset[TopicPartition]
NONE: Inputs = frozenset()


class Hold(Protocol):
    """One reason to leave inputs unread. The shard's thread only."""

    @property
    def remedy(self) -> str:
        """What an operator may do about it."""

    def ask(self) -> None:
        """Learn what is new. Only while nothing that the shard writes is in flight."""

    def wrote(self, outputs: Sequence[Output]) -> None:
        """The shard has written this, or is about to."""

    def held(self, fold: Fold | None) -> Inputs:
        """What isn't to be read now; a performer has no fold."""

    def why(self) -> str:
        """What is waited for, in words, as of the last `held`; empty where nothing is held back."""


class _Gauge:
    """Full from its limit on, until it has fallen to 80 % of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0
        self.full = False

    def measure(self, count: int) -> bool:
        self.count = count
        self.full = count > self._limit * ON_AGAIN if self.full else count >= self._limit
        return self.full


@dataclass(frozen=True, slots=True)
class Awaited:
    """A shard (`stage/number`) that reads what is written to `partition`; `inputs` stay unread while it is too far behind."""

    shard: str
    partition: TopicPartition
    inputs: Inputs


class TooFarBehind:
    """Those who read what the shard writes (`what`, in the plural) are too far behind."""

    def __init__(
        self,
        what: str,
        lag: Lag,
        awaited: Sequence[Awaited],
        limit: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.remedy = (
            "`rivergate shards list` says whether it runs, and what it waits for itself; "
            f"the limit of {limit:,} is set with --limit {what}_waiting=N"
        )
        self._what = what
        self._lag = lag
        self._gauges = {a: _Gauge(limit) for a in awaited}
        self._behind: dict[TopicPartition, int] = {}
        self._written: Counter[TopicPartition] = Counter({a.partition: 0 for a in awaited})
        self._when_asked: Counter[TopicPartition] = Counter()
        self._when_answered: Counter[TopicPartition] = Counter()
        self._monotonic = monotonic
        self._ask_at = monotonic()

    def ask(self) -> None:
        """Take an answer that has come, and ask anew where it is time."""
        answer = self._lag.answer()
        for tp, behind in (answer or {}).items():
            self._behind[tp] = behind
            self._when_answered[tp] = self._when_asked[tp]
        now = self._monotonic()
        if now >= self._ask_at and self._lag.ask():
            self._ask_at = now + EVERY_S
            self._when_asked = self._written.copy()

    def wrote(self, outputs: Sequence[Output]) -> None:
        """Count it, and a transaction's marker on each partition, since that takes an offset too."""
        written = self._written
        new = Counter(tp for o in outputs if (tp := (o.topic, o.partition)) in written)
        for tp, count in new.items():
            written[tp] += count + 1

    def held(self, fold: Fold | None) -> Inputs:  # noqa: ARG002 - the log knows it
        """The inputs of those that are full."""
        held = NONE
        for a, gauge in self._gauges.items():
            tp = a.partition
            if gauge.measure(self._behind.get(tp, 0) + self._written[tp] - self._when_answered[tp]):
                held |= a.inputs
        return held

    def why(self) -> str:
        """The shards that are waited for."""
        full = [f"{a.shard} ({g.count:,} {self._what} behind)" for a, g in self._gauges.items() if g.full]
        return f"waits for {', '.join(full)}" if full else ""


class TooMuchKept:
    """Too much waits in the shard's state for somebody to settle it."""

    def __init__(self, whom: str, what: str, count: Callable[[Fold], int], limit: int, inputs: Inputs) -> None:
        self.remedy = f"settle some; the limit of {limit:,} is set with --limit {what}_waiting=N"
        self._whom, self._what = whom, what
        self._count = count
        self._gauge = _Gauge(limit)
        self._inputs = inputs

    def ask(self) -> None:
        """The state is at hand."""

    def wrote(self, outputs: Sequence[Output]) -> None:
        """The state is at hand."""

    def held(self, fold: Fold | None) -> Inputs:
        """All or nothing."""
        return self._inputs if fold is not None and self._gauge.measure(self._count(fold)) else NONE

    def why(self) -> str:
        """Who is waited for."""
        return f"waits for {self._whom} ({self._gauge.count:,} {self._what} are open)" if self._gauge.full else ""


class Brake:
    """Puts reasons together. `tell` hears of each new number; the log of the beginning and the end, once: who is slower
    than what comes in makes a shard stop and go for as long as that lasts, so it ends `CALM_S` after the last stop.

    Without reasons it holds nothing back. The shard's thread only.
    """

    def __init__(
        self,
        shard: str = "",
        holds: Sequence[Hold] = (),
        tell: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shard = shard
        self._holds = holds
        self._tell = tell
        self._monotonic = monotonic
        self._waited_at: list[float | None] = [None] * len(holds)
        self._told = ""

    def ask(self) -> None:
        """See `Hold.ask`."""
        for hold in self._holds:
            hold.ask()

    def wrote(self, outputs: Sequence[Output]) -> None:
        """See `Hold.wrote`."""
        for hold in self._holds:
            hold.wrote(outputs)

    def held(self, fold: Fold | None) -> Inputs:
        """All that isn't to be read now."""
        held = NONE
        whys = []
        for n, hold in enumerate(self._holds):
            held |= hold.held(fold)
            whys.append(hold.why())
            self._note(n, whys[n])
        why = "; ".join(filter(None, whys))
        if why != self._told:
            self._told = why
            self._tell(why)
        return held

    def _note(self, n: int, why: str) -> None:
        waited_at = self._waited_at[n]
        if why:
            if waited_at is None:
                remedy = self._holds[n].remedy
                _LOG.warning("%s %s; what it reads stays on the log\n→ %s", self._shard, why, remedy)
            self._waited_at[n] = self._monotonic()
        elif waited_at is not None and self._monotonic() - waited_at >= CALM_S:
            _LOG.info("%s reads on; it hasn't waited for %.0f s", self._shard, CALM_S)
            self._waited_at[n] = None
