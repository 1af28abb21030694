"""The release: from then on the new app's agents act, on what stands behind the copies and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rivergate.adapters.kafka_copy import KafkaCopier
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.errors import RivergateError
from rivergate.domain.wire import RekeyedRecord
from rivergate.ports import Clock, LogArchive
from rivergate.runtime.rekey.copying import reading
from rivergate.runtime.rekey.facts import Facts, Look
from rivergate.runtime.rekey.newcomer import demand_holding
from rivergate.runtime.rekey.notes import listed, noted, write_note
from rivergate.runtime.rekey.plan import Plan

QUIET_S = 5.0
"""So long nothing may come on the old topics."""


PAUSE = "pause the producers, resume the old agents until they have read these, and see that the copy still runs"


class NotReleased(RivergateError):
    """Something is missing; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Released:
    """What was noted, what the old app still settles, and how long producers had to wait (microseconds; None where it had
    been released before).
    """

    note: RekeyedRecord
    facts: Facts | None = None
    pause: Micros | None = None


def release(
    plan: Plan, bootstrap: str, by: str, clock: Clock, wait: Callable[[float], object], quiet_s: float = QUIET_S
) -> Released:
    """Release the new app's agents, or say what is missing (`NotReleased`). Where they were released, nothing happens.

    The copy is fenced by it, so that nothing is copied behind the ends that the release names.
    """
    with reading(bootstrap, plan) as reader:
        look = Look(plan, bootstrap, reader)
        newest = _demand_noted(plan, noted(plan, reader))
        if newest.released is not None:
            return Released(newest)
        demand_holding(plan, reader, newest)
        facts = look.facts(newest)
        _demand(facts)
        wait(quiet_s)
        _demand_quiet(facts, look)
        with KafkaCopier(bootstrap, plan.to, plan.rekey) as copier:  # from here on nobody copies
            _demand_quiet(facts, look)  # so all that was found still holds
            _demand_newest(newest, noted(plan, reader))
            update = {"released": rfc3339(facts.fired), "ends": _past(plan, newest, reader)}
            note = newest.model_copy(update=update)
            now = clock()
            return Released(write_note(copier, plan, note, by, lambda: now), facts, now - facts.last_event)


def _demand_noted(plan: Plan, newest: RekeyedRecord | None) -> RekeyedRecord:
    if newest is None:
        raise NotReleased(
            f"nothing has been copied into {plan.to}", remedy="copy first: the same command without --release"
        )
    return newest


def _demand_newest(newest: RekeyedRecord, found: RekeyedRecord | None) -> None:
    """Raises `NotReleased` where something was noted since: the release would take its ends back."""
    if found != newest:
        raise NotReleased("something was copied meanwhile; nothing was released", remedy=PAUSE)


def _past(plan: Plan, newest: RekeyedRecord, reader: LogArchive) -> tuple[tuple[str, int, int], ...]:
    """Where the new topics end. Behind the last copy stands the marker of its transaction, and a shard that stood before
    that when retention removes both would seem to have lost something.
    """
    ends = {(t, p): end for t, p, end in newest.ends}
    there = {tp: reader.watermarks(tp)[1] for topic in plan.topics.values() for tp in reader.partitions(topic)}
    return listed(ends | {tp: max(end, ends.get(tp, 0)) for tp, end in there.items() if end})


def _demand(facts: Facts) -> None:
    """Raises `NotReleased` with all that is missing."""
    if missing := facts.missing:
        raise NotReleased(
            "not yet; nothing was released:\n" + "\n".join(f"- {what}" for what, _ in missing),
            remedy="\n→ ".join(dict.fromkeys(remedy for _, remedy in missing)),
        )


def _demand_quiet(facts: Facts, look: Look) -> None:
    """Raises `NotReleased` where something came since the facts were found."""
    if came := sum(look.ends().values()) - sum(facts.ends.values()):
        raise NotReleased(f"{came:,} records came on what is copied meanwhile; nothing was released", remedy=PAUSE)
