"""How a shard without a journal begins: from where in history, and with which imported model. Its first commit record says
both, and nothing is read in it; so a successor and a replay need no options, and those of a shard with a journal are void.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from rivergate.domain.clock import Micros
from rivergate.domain.ids import span_id_of, trace_id_of_commit
from rivergate.domain.journal import Adopted, Began, CommitRecord, Range
from rivergate.domain.span import AttributeValue, Span
from rivergate.kernel.holding import first_commit
from rivergate.kernel.models import ModelStore, adopt, demand_same_versions
from rivergate.kernel.shard import ShardSpec
from rivergate.ports import Clock, Fold, LogArchive

TOO_LATE = "%s has a journal: it goes on from commit %d, and --from and --model say nothing to it"
"""With the shard's name and its newest commit."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first commit record says. `passed` is what of the inputs is passed over."""

    clock: Micros
    passed: Sequence[Range] = ()
    began: Began | None = None
    adopted: Adopted | None = None

    def marked(self, record: CommitRecord) -> CommitRecord:
        """The first commit record with what it has to say."""
        return replace(record, began=self.began, adopted=self.adopted)

    def span(self, spec: ShardSpec, seq: int, now_ns: int) -> Span:
        """What it says, for those who read traces: who vouched for the model, and from when on the shard has learnt."""
        commit = f"{spec.stage}/{spec.shard}/{seq}"
        attributes: dict[str, AttributeValue] = {"rivergate.commit": commit}
        if self.adopted is not None:
            attributes["rivergate.model.digest"] = self.adopted.digest
            attributes["rivergate.model.vouched_by"] = self.adopted.who
            attributes["rivergate.model.reason"] = self.adopted.why
        if self.began is not None:
            attributes["rivergate.history.from"] = self.began.start
            attributes["rivergate.history.opened"] = self.began.at
        return Span(
            name=f"begin {spec.stage}",
            trace_id=trace_id_of_commit(spec.app, spec.stage, spec.shard, seq),
            span_id=span_id_of(spec.app, commit),
            start_ns=now_ns,
            end_ns=now_ns,
            attributes=attributes,
        )


def begin_anew(
    spec: ShardSpec,
    fold: Fold,
    new_archive: Callable[[], LogArchive],
    models: ModelStore,
    versions: Mapping[str, str],
    clock: Clock,
) -> Beginning | None:
    """Find where history begins, and have the fold adopt the model, as the spec says; None where nothing is to be said.
    Raises `BadInput` where the model isn't to be had, or the agent can't take it over: nothing is committed then.
    """
    first = None
    if spec.begin is not None or spec.rekey is not None:
        with closing(new_archive()) as archive:
            found = first_commit(spec, archive, clock())
        if found is not None:
            passed, at, began = found
            first = Beginning(at, passed, began)
    if spec.model is None:
        return first
    model = models.get(spec.model)
    demand_same_versions(model, versions)
    adopt(spec, fold, model)
    return replace(first or Beginning(clock()), adopted=model.adopted)
