"""Checks of a policy as a whole: rules that can never matter."""

from __future__ import annotations

from collections.abc import Callable

from rivergate.gate.policy.errors import Place, PolicyError
from rivergate.gate.policy.model import Policy, Rule


def check_reachable(policy: Policy, place: Callable[[Rule], Place]) -> None:
    """Refuse a rule whose verdict can never show: a stricter rule without a condition speaks for all its kinds.

    Raises `PolicyError`.
    """
    for rule in policy.rules:
        if rule.when.strip() == "false":
            raise PolicyError(
                f"rule {rule.id!r} can never speak", place(rule), remedy="remove it, or give it a condition"
            )
        over = [r for r in policy.rules if not r.when and r.verdict > rule.verdict and r is not rule]
        kinds = [k for k in policy.schemas if rule.concerns(k)]
        if kinds and all(any(r.concerns(k) for r in over) for k in kinds):
            names = ", ".join(repr(r.id) for r in over)
            raise PolicyError(
                f"rule {rule.id!r} can never show: {names} always says something stricter",
                place(rule),
                remedy="remove one of them, or give the stricter one a condition",
            )
