"""What is left of a copy, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from rivergate.domain import wire
from rivergate.domain.clock import parse_rfc3339
from rivergate.domain.errors import BadInput
from rivergate.domain.wire import RekeyedRecord
from rivergate.ports import LogArchive
from rivergate.runtime.rekey.plan import Plan

SAMPLE = 200
"""Records of each partition whose size is looked at, where nothing has been copied yet."""
NOTES = 64
"""So many notes back the rate is measured."""


@dataclass(frozen=True, slots=True)
class Costs:
    """`records` left to copy (offsets, where many are), `bytes` they take before compression and replication,
    `per_second` at the present rate (0 where it isn't known), `seconds` that the rest takes at that rate.
    """

    records: int
    bytes: int
    per_second: float

    @property
    def seconds(self) -> float | None:
        """None where no rate is known."""
        return self.records / self.per_second if self.per_second else None


def costs(plan: Plan, reader: LogArchive, newest: RekeyedRecord | None, uncopied: int) -> Costs:
    """What `uncopied` records take."""
    if newest is None or not newest.records:
        return Costs(uncopied, round(_sampled(plan, reader) * uncopied), 0.0)
    return Costs(uncopied, round(newest.bytes / newest.records * uncopied), _rate(plan, reader))


def _sampled(plan: Plan, reader: LogArchive) -> float:
    sizes = []
    for topic in plan.topics:
        for tp in reader.partitions(topic):
            low, high = reader.watermarks(tp)
            sizes += [len(r.key or b"") + len(r.value or b"") for r in reader.read(*tp, max(low, high - SAMPLE), high)]
    return sum(sizes) / len(sizes) if sizes else 0.0


def _rate(plan: Plan, reader: LogArchive) -> float:
    """Records a second between the newest notes."""
    low, high = reader.watermarks((plan.rekey, 0))
    notes = []
    for r in reader.read(plan.rekey, 0, max(low, high - NOTES), high):
        try:
            found = wire.read(r)
        except BadInput:
            continue
        if isinstance(found, RekeyedRecord):
            notes.append((found.records, parse_rfc3339(found.at)))
    if len(notes) < 2 or notes[-1][1] <= notes[0][1]:
        return 0.0
    return (notes[-1][0] - notes[0][0]) * 1e6 / (notes[-1][1] - notes[0][1])
