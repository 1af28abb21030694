from __future__ import annotations

import json
from typing import Any

import pytest
from river.forest import ARFClassifier
from river.linear_model import LogisticRegression
from river.preprocessing import StandardScaler
from river.tree import HoeffdingAdaptiveTreeClassifier

from rivergate.learning import Prequential, described


def taught(model: Any) -> Any:
    """A model that has seen 300 examples."""
    for n in range(300):
        model.learn_one({"a": float(n % 7), "b": float(n % 13)}, n % 7 > 3)
    return model


def test_a_linear_pipeline_tells_its_weights_and_its_scaling() -> None:
    """Step by step, with parameters and how large each is."""
    model = taught(StandardScaler() | LogisticRegression())
    steps = described(model)["steps"]
    regression = steps["LogisticRegression"]
    assert regression["weights"] == dict(model["LogisticRegression"].weights)
    assert regression["intercept"] == model["LogisticRegression"].intercept
    assert regression["parameters"]["l2"] == 0.0
    assert steps["StandardScaler"]["fitted"]["means"]["a"] == model["StandardScaler"].means["a"]
    assert regression["bytes"] > 0


def test_a_tree_tells_its_shape_and_a_forest_its_trees() -> None:
    """Nodes, leaves, height."""
    tree = taught(HoeffdingAdaptiveTreeClassifier(seed=1))
    assert described(tree)["summary"] == tree.summary
    forest = taught(ARFClassifier(n_models=3, seed=1))
    assert json.dumps(described(forest))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, {"type": "int", "value": 3}),
        ({"b": 1}, {"type": "dict", "length": 1, "value": {"b": 1}}),
        ({"b": [1]}, {"type": "dict", "length": 1}),
        ({2, 1}, {"type": "set", "length": 2, "value": [1, 2]}),
        (list(range(100)), {"type": "list", "length": 100}),
        (1 + 2j, {"type": "complex", "text": "(1+2j)"}),
    ],
)
def test_plain_values_are_told_as_they_are_if_they_are_short(value: Any, expected: Any) -> None:
    """Long ones by their length, unknown ones by their text."""
    assert described(value) == expected


def test_figures_are_told_with_their_baseline() -> None:
    """Accuracy never stands alone."""
    figures = Prequential()
    figures.update(label=True, predicted=True)
    assert described(figures)["figures"] == figures.figures()._asdict()


def test_looking_changes_nothing() -> None:
    """A model that was described predicts and learns as before."""
    one, other = taught(HoeffdingAdaptiveTreeClassifier(seed=1)), taught(HoeffdingAdaptiveTreeClassifier(seed=1))
    described(one)
    for n in range(50):
        x = {"a": float(n % 5), "b": float(n % 3)}
        assert one.predict_proba_one(x) == other.predict_proba_one(x)
        one.learn_one(x, n % 2 == 0)
        other.learn_one(x, n % 2 == 0)
