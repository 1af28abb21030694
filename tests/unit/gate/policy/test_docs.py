from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivergate.domain.event import Proposal
from rivergate.gate.judging import Judge
from rivergate.gate.policy.cel import CelEngine
from rivergate.gate.policy.file import load_policy
from rivergate.gate.policy.model import Policy

GUIDE = (Path(__file__).parents[4] / "docs/guides/policies.md").read_text()
ENGINE = CelEngine()


def blocks(language: str) -> list[str]:
    """The code blocks of the guide."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def policies() -> list[Policy]:
    """The guide's policies under the guide's classes."""
    scope: dict[str, type[Proposal]] = {}
    exec(blocks("python")[0], scope)  # noqa: S102 - our own document
    schemas = {c.proposal_kind: c.model_json_schema() for c in (scope["Inspect"], scope["ShutDown"])}
    return [load_policy(text, "guide.yaml", schemas, ENGINE) for text in blocks("yaml")]


@pytest.mark.parametrize(
    ("kind", "arguments", "confidence", "verdict"),
    [
        ("inspect", {"line": "a", "cost": 150, "hours": 2}, 0.9, "allow"),
        ("inspect", {"line": "a", "cost": 150, "hours": 2}, 0.5, "review"),
        ("inspect", {"line": "a", "cost": 250, "hours": 2}, 0.9, "review"),
        ("inspect", {"line": "a", "cost": 150, "hours": 9}, 0.9, "modify"),
        ("shut_down", {"line": "line-3", "minutes": 600}, 0.9, "review"),
        ("shut_down", {"line": "line-1", "minutes": 600}, 0.9, "deny"),
    ],
)
def test_the_guides_policy_does_what_the_guide_says(
    kind: str, arguments: dict[str, object], confidence: float, verdict: str
) -> None:
    """The examples load and judge as told."""
    first, _ = policies()
    assert Judge(first, ENGINE).judge(kind, arguments, confidence, "watcher").verdict.word == verdict


def test_the_guides_guard_works() -> None:
    """A missing note is no error with the guard."""
    judge = Judge(policies()[1], ENGINE)
    assert judge.judge("inspect", {"line": "a", "cost": 1, "note": "urgent"}, 1.0, "w").verdict.word == "allow"
    assert judge.judge("inspect", {"line": "a", "cost": 1}, 1.0, "w").rules[0].id == "default-deny"
