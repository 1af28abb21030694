"""Judging: proposal and policy in, verdict out. No clock, no I/O, no logging; equal inputs, equal verdicts.

The lattice: of all rules that speak the strictest wins, `deny > review > modify > allow`, in whichever order
they stand. Nothing spoke: deny. A condition failed: deny or review, as the policy's `on_error` says, never
allow. A modified proposal is judged again, since the rules haven't seen it yet; a later round can make the
verdict stricter, never milder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

import orjson

from rivergate.domain.errors import BadInput
from rivergate.domain.ids import canonical
from rivergate.gate.policy.compiled import CompiledKind, CompiledRule, compile_policy, json_value
from rivergate.gate.policy.conditions import ConditionEngine, ConditionFailed
from rivergate.gate.policy.model import Policy, ReviewTerms, Verdict

MAX_ROUNDS: Final = 4
"""Modifications of modifications that are followed before the policy counts as contradicting itself."""

_SHOWN_CHARACTERS: Final = 200

DEFAULT_DENY: Final = "default-deny"
UNKNOWN_KIND: Final = "unknown-kind"
ARGUMENTS_INVALID: Final = "arguments-invalid"
NO_FIXED_POINT: Final = "modify-unstable"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A rule that spoke: what it said, why, and the values that its condition saw."""

    id: str
    verdict: Verdict
    because: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in records."""
        return {"id": self.id, "verdict": self.verdict.word, "because": self.because, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what led to it. `arguments` are those to act on; `terms` are set where it is `review`."""

    verdict: Verdict
    rules: tuple[Spoken, ...]
    arguments: dict[str, Any]
    policy_digest: str
    terms: ReviewTerms | None = None

    @property
    def reason(self) -> str:
        """One sentence: what the strictest rules gave as their reason."""
        told = [s.because or f"rule {s.id}" for s in self.rules if s.verdict is self.verdict]
        return "; ".join(told)


class Judge:
    """One policy, compiled. Can't be pickled: make another from the same policy."""

    def __init__(self, policy: Policy, engine: ConditionEngine) -> None:
        self.policy = policy
        self._kinds = compile_policy(policy, engine)

    def judge(self, kind: str, arguments: dict[str, Any], confidence: float | None, agent: str) -> Judgement:
        """The verdict on a proposal. Raises nothing that a proposal could bring about."""
        rules = self._kinds.get(kind)
        if rules is None:
            known = ", ".join(sorted(self._kinds)) or "no kinds"
            return self._denied(UNKNOWN_KIND, f"the policy in force knows {known}", arguments)
        spoken: dict[str, Spoken] = {}
        terms: list[ReviewTerms] = []
        current = arguments
        for _ in range(MAX_ROUNDS):
            complaint = rules.schema.complaint(current)
            if complaint:
                return self._denied(ARGUMENTS_INVALID, complaint, arguments, spoken.values())
            change = self._round(rules, current, confidence, agent, spoken, terms)
            if change is None:
                return self._settled(spoken, terms, current)
            current = change
        because = f"still changing after {MAX_ROUNDS} rounds of modification"
        return self._denied(NO_FIXED_POINT, because, arguments, spoken.values())

    def _round(
        self,
        rules: CompiledKind,
        arguments: dict[str, Any],
        confidence: float | None,
        agent: str,
        spoken: dict[str, Spoken],
        terms: list[ReviewTerms],
    ) -> dict[str, Any] | None:
        """Let the rules speak once; what the arguments become, or None where they stay or it's over anyway."""
        values = rules.values(arguments, confidence, agent)
        fired, failed = rules.fired(values)
        for r in fired:
            _add(spoken, Spoken(r.rule.id, r.rule.verdict, r.rule.because, _shown(r, values)))
            if r.rule.verdict is Verdict.REVIEW:
                terms.append(r.rule.terms or self.policy.default_terms)
        for r, error in failed:
            self._fail(r, error, values, spoken, terms)
        if any(s.verdict is Verdict.DENY for s in spoken.values()):
            return None
        changed, errors = _modified(fired, arguments, values)
        for r, error in errors:
            self._fail(r, error, values, spoken, terms)
        return None if errors or same(changed, arguments) else changed

    def _fail(
        self,
        r: CompiledRule,
        error: str,
        values: Mapping[str, Any],
        spoken: dict[str, Spoken],
        terms: list[ReviewTerms],
    ) -> None:
        because = f"the rule failed: {error[:_SHOWN_CHARACTERS]}"
        terms.append(self.policy.default_terms)
        _add(spoken, Spoken(r.rule.id, max(self.policy.on_error, Verdict.REVIEW), because, _shown(r, values)))

    def _settled(self, spoken: dict[str, Spoken], terms: list[ReviewTerms], arguments: dict[str, Any]) -> Judgement:
        if not spoken:
            return self._denied(DEFAULT_DENY, "no rule allows it", arguments)
        verdict = max(s.verdict for s in spoken.values())
        strictest = None
        if verdict is Verdict.REVIEW:
            strictest = reduce(ReviewTerms.strictest, terms)
        return Judgement(verdict, _in_order(spoken.values()), arguments, self.policy.digest, strictest)

    def _denied(self, rule: str, because: str, arguments: dict[str, Any], before: Iterable[Spoken] = ()) -> Judgement:
        rules = (*_in_order(before), Spoken(rule, Verdict.DENY, because))
        return Judgement(Verdict.DENY, rules, arguments, self.policy.digest)


def denied(rule: str, because: str, arguments: dict[str, Any], policy_digest: str) -> Judgement:
    """A denial that comes from no policy: a wrong digest, an expired proposal, no policy in force."""
    return Judgement(Verdict.DENY, (Spoken(rule, Verdict.DENY, because),), arguments, policy_digest)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two sets of arguments have the same digest (`5` and `5.0` do)."""
    if a is b:
        return True
    try:
        return canonical(a) == canonical(b)
    except BadInput:
        return False


def _add(spoken: dict[str, Spoken], said: Spoken) -> None:
    """Keep the strictest thing that a rule said, and of equal ones the first, which saw the proposal itself."""
    before = spoken.get(said.id)
    if before is None or said.verdict > before.verdict:
        spoken[said.id] = said


def _in_order(spoken: Iterable[Spoken]) -> tuple[Spoken, ...]:
    return tuple(sorted(spoken, key=lambda s: (-s.verdict, s.id)))


def _modified(
    fired: Iterable[CompiledRule], arguments: dict[str, Any], values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[CompiledRule, str]]]:
    """Arguments with all assignments made at once; rules that disagree on a field have all failed."""
    made: dict[str, list[tuple[CompiledRule, Any]]] = {}
    errors: list[tuple[CompiledRule, str]] = []
    for r in fired:
        for a in r.assignments:
            try:
                value = json_value(a.expression.evaluate(values), a.type)
                canonical(value)
            except (ConditionFailed, BadInput) as e:
                errors.append((r, f"{a.field}: {e}"))
                continue
            made.setdefault(a.field, []).append((r, value))
    for name, said in made.items():
        if any(not same({name: value}, {name: said[0][1]}) for _, value in said[1:]):
            who = " and ".join(sorted(r.rule.id for r, _ in said))
            errors += [(r, f"{who} set {name} to different values") for r, _ in said]
    if errors or not made:
        return arguments, errors
    return arguments | {name: said[0][1] for name, said in made.items()}, errors


def _shown(r: CompiledRule, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _short(values[name]) for name in r.shown}


def _short(value: Any) -> Any:
    """Scalars as they are; long text and structures cut, since every record of a verdict carries them."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
    if isinstance(value, list | dict):
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        return value if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return value
