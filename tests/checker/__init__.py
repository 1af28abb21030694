"""Checks a finished app from its topics alone, by `docs/reference/wire.md`; shares no code with what it checks."""

from __future__ import annotations

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.reading import gather
from tests.checker.rules import ALL

__all__ = ["Evidence", "Finding", "Rule", "check", "judge"]


def check(bootstrap: str, app: str, *, settled: bool = True, operator_key: bytes | None = None) -> list[Finding]:
    """All that doesn't hold in an app's topics; `settled` also demands that it has come to rest.

    `operator_key` (32 raw bytes), where one has it, is what control records have to be signed with.
    """
    return judge(gather(bootstrap, app, settled=settled, operator_key=operator_key))


def judge(evidence: Evidence) -> list[Finding]:
    """All that doesn't hold."""
    return [finding for rule in ALL for finding in rule(evidence)]
