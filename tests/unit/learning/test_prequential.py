from __future__ import annotations

import pickle
from random import Random

import pytest
from river import metrics

from rivergate.learning import Figures, Prequential


@pytest.mark.parametrize("labels", [[True, False], ["a", "b", "c"]])
def test_figures_are_those_of_river(labels: list[object]) -> None:
    """Accuracy and balanced accuracy equal River's, for the model and for the baseline."""
    random = Random(3)
    ours = Prequential()
    rivers = [metrics.Accuracy(), metrics.BalancedAccuracy(), metrics.Accuracy(), metrics.BalancedAccuracy()]
    last = None
    for _ in range(500):
        label, predicted = random.choice(labels), random.choice(labels)
        ours.update(label, predicted)
        for metric in rivers[:2]:
            metric.update(label, predicted)
        if last is not None:
            for metric in rivers[2:]:
                metric.update(label, last)
        last = label
    assert ours.figures() == pytest.approx((500, *(m.get() for m in rivers)))


def test_nothing_counted_gives_nought() -> None:
    """Without labels there are figures all the same, so that whoever prints them need not ask."""
    assert Prequential().figures() == Figures(0, 0.0, 0.0, 0.0, 0.0)


def test_the_baseline_repeats_the_last_label() -> None:
    """The first label has no predecessor, each later one is right where it equals the one before."""
    figures = Prequential()
    for label in (True, True, False, False):
        figures.update(label, predicted=True)
    assert figures.figures().baseline_accuracy == pytest.approx(2 / 3)
    assert figures.labels == 4


def test_a_label_that_was_only_predicted_does_not_count() -> None:
    """Recall is taken over labels that occurred; a class that was only predicted has none."""
    figures = Prequential()
    figures.update("a", "b")
    figures.update("a", "a")
    assert figures.figures().balanced_accuracy == 0.5


def test_shards_add_up() -> None:
    """Merged counts are the sums; no shard's baseline looks into another shard."""
    one, two = Prequential(), Prequential()
    one.update(label=True, predicted=True)
    one.update(label=True, predicted=False)
    two.update(label=False, predicted=False)
    whole = Prequential.merged([one, two]).figures()
    assert (whole.labels, whole.accuracy) == (3, pytest.approx(2 / 3))
    assert whole.balanced_accuracy == 0.75
    assert whole.baseline_accuracy == 1.0


def test_it_survives_a_snapshot() -> None:
    """A pickled copy goes on as the original does."""
    figures = Prequential()
    figures.update(label=True, predicted=False)
    copy: Prequential = pickle.loads(pickle.dumps(figures))
    for each in (figures, copy):
        each.update(label=False, predicted=False)
    assert copy == figures
    assert copy.figures() == figures.figures()
