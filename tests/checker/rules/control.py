"""What is in force: control records, the gate's answers, and the keys and policies that follow from them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator

from tests.checker.digests import is_signed, key_name
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line


def control(e: Evidence) -> Iterator[Finding]:
    """Signed by the operator, where the key is known, and answered exactly once."""
    answers = Counter(str(_answered(x)) for x in e.of("control_applied"))
    places = {x.where for x in e.of("control")}
    for line in _in_force(e):
        if e.operator_key is not None and not is_signed(line.json or {}, {key_name(e.operator_key): e.operator_key}):
            yield Finding(Rule.UNSIGNED, f"{line.where}: key {line.get('key_id')!r}")
    for where in places:
        if answers[where] > 1:
            yield Finding(Rule.DOUBLED, f"answers to {where}: {answers[where]}")
        elif not answers[where] and e.settled:
            yield Finding(Rule.UNSETTLED, f"control record {where} was never answered")
    for where in answers.keys() - places:
        yield Finding(Rule.FROM_NOWHERE, f"an answer to {where}, which isn't there")


def trusted_keys(e: Evidence) -> dict[str, bytes]:
    """Keys whose signatures on decisions count, by their ids."""
    found = {}
    for line in _in_force(e):
        if line.kind == "rivergate.control.key.v1" and line.get("role") == "review_service":
            key = base64.b64decode(str(line.get("public_key")))
            found[key_name(key)] = key
    return found


def policies_in_force(e: Evidence) -> set[str]:
    """Digests of all policies that were ever in force."""
    return {str(x.get("policy_digest")) for x in _in_force(e) if x.kind == "rivergate.control.policy.v1"}


def _in_force(e: Evidence) -> list[Line]:
    applied = {_answered(x) for x in e.of("control_applied") if x.get("result") == "applied"}
    return [x for x in e.of("control") if x.where in applied]


def _answered(line: Line) -> str:
    place = line.get("control") or {}
    return f"{place.get('topic')}/{place.get('partition')}/{place.get('offset')}"
