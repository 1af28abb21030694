from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from river.datasets import Shuttle
from river.linear_model import LogisticRegression
from river.naive_bayes import GaussianNB
from river.preprocessing import StandardScaler
from river.tree import HoeffdingAdaptiveTreeClassifier, HoeffdingTreeClassifier

from rivergate.domain.errors import ConfigError
from rivergate.domain.event import Reason
from rivergate.learning import contributions, linear_contributions, tree_contributions


def learnt(model: Any, count: int = 1500) -> tuple[Any, dict[str, float]]:
    """The model after that many readings, and the next reading."""
    rows = [(x, bool(y)) for x, y in itertools.islice(Shuttle(), count + 1)]
    for x, y in rows[:-1]:
        model.learn_one(x, y)
    return model, rows[-1][0]


def total(reasons: list[Reason]) -> float:
    """All contributions together."""
    return sum(r.contribution or 0.0 for r in reasons)


def test_linear_contributions_sum_to_the_log_odds() -> None:
    """Weight times scaled value, exactly what the model adds up: nothing of its score is left unexplained."""
    model, x = learnt(StandardScaler() | LogisticRegression())
    reasons = linear_contributions(model, x)
    p = model.predict_proba_one(x)[True]
    assert total(reasons) == pytest.approx(math.log(p / (1 - p)))
    assert {r.feature for r in reasons} == {*x, "intercept"}
    assert next(r for r in reasons if r.feature == "f1").value == x["f1"]


def test_the_largest_reason_comes_first() -> None:
    """Reasons are in order of their weight, whichever way they pull."""
    model, x = learnt(StandardScaler() | LogisticRegression())
    sizes = [abs(r.contribution or 0.0) for r in contributions(model, x)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_bare_linear_model_has_reasons_too() -> None:
    """A pipeline isn't needed; an untrained model has no weights and gives no reasons."""
    model, x = learnt(LogisticRegression(), 10)
    assert {r.feature for r in contributions(model, x)} == {*x, "intercept"}
    assert contributions(LogisticRegression(), x) == []


@pytest.mark.parametrize(
    "model",
    [
        HoeffdingTreeClassifier(grace_period=50, delta=0.01),
        HoeffdingAdaptiveTreeClassifier(grace_period=50, delta=0.01, seed=1),
    ],
)
def test_tree_contributions_sum_to_the_share_at_the_leaf(model: Any) -> None:
    """The root's share and the moves along the path give the share of the label in the leaf that decides."""
    trained, x = learnt(model)
    reasons = tree_contributions(trained, x, label=False)
    leaf = trained._root
    while hasattr(leaf, "children"):
        leaf = leaf.next(x)
    assert trained.n_branches > 0
    assert total(reasons) == pytest.approx(leaf.stats[False] / sum(leaf.stats.values()))
    assert [r.feature for r in reasons if r.feature]
    assert contributions(trained, x, label=False) == reasons


def test_a_tree_without_branches_or_examples() -> None:
    """A lone leaf has only its share, an untrained tree nothing to say."""
    tree = HoeffdingTreeClassifier()
    assert tree_contributions(tree, {"a": 1.0}) == []
    tree.learn_one({"a": 1.0}, y=True)
    assert [(r.text, r.contribution) for r in tree_contributions(tree, {"a": 1.0})] == [("share at the root", 1.0)]


def test_other_models_say_that_they_tell_nothing() -> None:
    """A model without contributions of its own is an error with a remedy, never an empty list."""
    with pytest.raises(ConfigError, match="GaussianNB tells no contributions"):
        contributions(GaussianNB(), {"a": 1.0})
