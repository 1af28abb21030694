"""Prequential figures: how good predictions were that had been made before their label was known."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

Label = Hashable
Confusion = dict[Label, dict[Label, int]]
"""How often each label (outer key) was predicted as each (inner key)."""


class Figures(NamedTuple):
    """Accuracy never stands alone: balanced accuracy (mean recall) tells what rare labels get, and the baseline
    ("the next label is the last one again") what a model has to beat. Shares from 0 to 1.
    """

    labels: int
    accuracy: float
    balanced_accuracy: float
    baseline_accuracy: float
    baseline_balanced_accuracy: float


@dataclass(slots=True)
class Prequential:
    """Counts predictions against late labels. Part of an agent's state: it pickles, and it is deterministic.

    The first label has nothing before it for the baseline to repeat, so the baseline counts one label less.

    >>> figures = Prequential()
    >>> for predicted, label in [(True, True), (False, False), (False, True)]:
    ...     figures.update(label, predicted)
    >>> figures.figures().accuracy.__round__(3), figures.figures().balanced_accuracy
    (0.667, 0.75)
    """

    model: Confusion = field(default_factory=dict)
    baseline: Confusion = field(default_factory=dict)
    seen: bool = False
    last: Label = None

    def update(self, label: Label, predicted: Label) -> None:
        """A label came, and this had been predicted when its event was handled."""
        _count(self.model, label, predicted)
        if self.seen:
            _count(self.baseline, label, self.last)
        self.seen = True
        self.last = label

    @property
    def labels(self) -> int:
        """How many labels were counted."""
        return _total(self.model)

    def figures(self) -> Figures:
        """All of them, together; nought where nothing was counted yet."""
        return Figures(
            labels=_total(self.model),
            accuracy=_accuracy(self.model),
            balanced_accuracy=_balanced(self.model),
            baseline_accuracy=_accuracy(self.baseline),
            baseline_balanced_accuracy=_balanced(self.baseline),
        )

    @classmethod
    def merged(cls, parts: Iterable[Prequential]) -> Prequential:
        """The counts of several shards as one; each shard's baseline stays its own."""
        whole = cls()
        for part in parts:
            for mine, other in ((whole.model, part.model), (whole.baseline, part.baseline)):
                for label, row in other.items():
                    for predicted, count in row.items():
                        _count(mine, label, predicted, count)
            whole.seen = whole.seen or part.seen
        return whole


def _count(confusion: Confusion, label: Label, predicted: Label, count: int = 1) -> None:
    row = confusion.setdefault(label, {})
    row[predicted] = row.get(predicted, 0) + count


def _total(confusion: Confusion) -> int:
    return sum(sum(row.values()) for row in confusion.values())


def _accuracy(confusion: Confusion) -> float:
    total = _total(confusion)
    return sum(row.get(label, 0) for label, row in confusion.items()) / total if total else 0.0


def _balanced(confusion: Confusion) -> float:
    recalls = [row.get(label, 0) / sum(row.values()) for label, row in confusion.items()]
    return sum(recalls) / len(recalls) if recalls else 0.0
