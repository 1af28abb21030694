"""Reasons: what each feature added to what a model said, worked out when it said so.

They are made from the model's own structure, so they cost microseconds and belong to exactly the state that
decided; a proposal carries them, the audit keeps them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rivergate.domain.errors import ConfigError
from rivergate.domain.event import Reason

if TYPE_CHECKING:
    from river.compose import Pipeline
    from river.tree import HoeffdingTreeClassifier

Features = Mapping[str, float]


def contributions(model: Any, features: Features, *, label: Hashable = True) -> list[Reason]:
    """Reasons of any model that has its own: linear pipelines and Hoeffding trees. Raises `ConfigError` for others.

    Largest first. For a linear model in log-odds of the positive label, for a tree in probability of `label`.
    """
    if hasattr(_last_step(model), "weights"):
        return linear_contributions(model, features)
    if hasattr(model, "_root"):
        return tree_contributions(model, features, label=label)
    raise ConfigError(
        f"{type(model).__name__} tells no contributions",
        remedy="use a linear pipeline or a Hoeffding tree, or give reasons in words",
    )


def linear_contributions(model: Pipeline, features: Features) -> list[Reason]:
    """Weight times transformed value of each feature; with the intercept they sum to the model's log-odds, exactly."""
    x: Mapping[str, float] = features
    for step in _steps(model)[:-1]:
        x = step.transform_one(x)
    last = _last_step(model)
    weights = last.weights
    reasons = [
        Reason(feature=name, value=features.get(name), contribution=float(weights[name] * value))
        for name, value in x.items()
        if name in weights
    ]
    if last.intercept:
        reasons.append(Reason(feature="intercept", contribution=float(last.intercept)))
    return _sorted(reasons)


def tree_contributions(model: HoeffdingTreeClassifier, features: Features, *, label: Hashable = True) -> list[Reason]:
    """Along the path to the leaf, how far each split moved the share of `label`; a feature's moves are added up.

    With the share at the root they sum to the share at the leaf (Saabas' decomposition). Each node's share is that
    of the examples it had seen when it was split, or, for the leaf, up to now.
    """
    root: Any = model._root  # noqa: SLF001 - River has no public way to walk a path
    if root is None:
        return []
    moves: dict[str, float] = {}
    share = _share(root, label, 0.0)
    start = share
    path = list(root.walk(features)) if hasattr(root, "walk") else [root]
    for node, child in pairwise(path):
        moved = _share(child, label, share)
        moves[node.feature] = moves.get(node.feature, 0.0) + moved - share
        share = moved
    reasons = [Reason(feature=n, value=features.get(n), contribution=moved) for n, moved in moves.items()]
    if start:
        reasons.append(Reason(text="share at the root", contribution=start))
    return _sorted(reasons)


def _share(node: Any, label: Hashable, otherwise: float) -> float:
    total = sum(node.stats.values())
    return float(node.stats.get(label, 0.0) / total) if total else otherwise


def _steps(model: Any) -> list[Any]:
    return list(model.steps.values()) if hasattr(model, "steps") else [model]


def _last_step(model: Any) -> Any:
    return _steps(model)[-1]


def _sorted(reasons: list[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda r: (-abs(r.contribution or 0.0), r.feature))
