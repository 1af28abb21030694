"""The app that is copied into: nobody has used it before, and its agents hold."""

from __future__ import annotations

from collections.abc import Iterator

from rivergate.domain import names
from rivergate.domain.errors import ConfigError, UnknownTopic
from rivergate.domain.wire import RekeyedRecord
from rivergate.kernel.past import journal_entries
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import LogArchive
from rivergate.runtime.rekey.plan import Plan


def demand_untouched(plan: Plan, reader: LogArchive) -> None:
    """Nobody may have run the new app, or written to what it reads, before the first note. Raises `ConfigError`."""
    touched = [names.topic(plan.to, names.ASSIGNMENTS), *plan.topics.values()]
    written = [t for t in touched for tp in reader.partitions(t) if reader.watermarks(tp)[1] > 0]
    if written:
        raise ConfigError(
            f"{plan.to} isn't new: there are records on {', '.join(dict.fromkeys(written))}",
            remedy="begin the copy before anything runs or writes there; give the new app another name: --app NAME",
        )


def demand_holding(plan: Plan, reader: LogArchive, newest: RekeyedRecord) -> None:
    """See that no shard of the new app acts on what is copied. One that was opened before the first note, and hasn't
    committed yet, can't be told from one that will hold; so with nothing copied each that may run has to have begun.
    Raises `ConfigError`.
    """
    if newest.released is not None:
        return
    runs = newest.records == 0 and reader.watermarks((names.topic(plan.to, names.ASSIGNMENTS), 0))[1] > 0
    wrong = [shard for shard, holds in holding(plan, reader) if holds is False or (holds is None and runs)]
    if wrong:
        raise ConfigError(
            f"{plan.to} was started before the copy: {', '.join(wrong[:4])} {'…' if len(wrong) > 4 else ''} would act on "
            "what is copied once more",
            remedy="stop it and start it again, then the copy; if that doesn't help, give the new app another name",
        )


def holding(plan: Plan, reader: LogArchive) -> Iterator[tuple[str, bool | None]]:
    """Whether each shard of the new app began held; None for one that hasn't begun."""
    for stage in plan.stages:
        there = _is_there(names.journal_topic(plan.to, stage), reader)
        for spec in (ShardSpec(plan.to, stage, n, (), "", "") for n in range(plan.partitions)):
            first = next(journal_entries(spec, reader), None) if there else None
            began = None if first is None else first[0].began
            yield spec.name, None if first is None else first[0].seq > 0 or (began is not None and began.held)


def _is_there(topic: str, reader: LogArchive) -> bool:
    try:
        return bool(reader.partitions(topic))
    except UnknownTopic:
        return False
