"""The rules, one concern a module; each is a function from evidence to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding
from tests.checker.rules import (
    actions,
    chains,
    commits,
    control,
    dead_letters,
    envelope,
    labels,
    muting,
    offsets,
    places,
    proposals,
    ranges,
    reviews,
    spans,
)

ALL: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    envelope.headers_and_values,
    envelope.partition_counts,
    places.derived_records,
    proposals.ids_and_digests,
    proposals.events,
    proposals.ends,
    reviews.histories,
    reviews.decisions,
    reviews.approvals,
    actions.arguments_and_policies,
    actions.outcomes,
    chains.chains,
    commits.contents,
    commits.strays,
    ranges.reading,
    ranges.rest,
    muting.muting,
    offsets.committed,
    dead_letters.letters,
    labels.labels,
    spans.verdicts,
    spans.reviews_and_effects,
    control.control,
)
