"""Policy files: YAML to `Policy`, every mistake an error with its place and a remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping as MappingType
from typing import Any, Final

import yaml

from rivergate.domain.errors import BadInput
from rivergate.gate.policy.checks import check_reachable
from rivergate.gate.policy.compiled import RuleInvalid, compile_policy
from rivergate.gate.policy.conditions import ConditionEngine
from rivergate.gate.policy.errors import PolicyError
from rivergate.gate.policy.hints import hint, located
from rivergate.gate.policy.model import ANY_KIND, TIERS, VERDICTS, Policy, ReviewTerms, Rule, Verdict
from rivergate.gate.policy.yaml_nodes import Mapping, Source, items, scalar, suggestion, text

_TOP: Final = ("version", "on_error", "constants", "defaults", "rules")
_TERMS: Final = ("tier", "quorum", "expires_after", "role")
_RULE: Final = ("id", "kinds", "when", "verdict", "because", *_TERMS, "set")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RULE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_RULES: Final = 1000

Scalars = dict[tuple[str, str], yaml.ScalarNode]
"""(rule id, `when` or the assigned field) → the scalar that holds the condition."""


def load_policy(
    source_text: str, file: str, schemas: MappingType[str, MappingType[str, Any]], engine: ConditionEngine
) -> Policy:
    """Read and check a policy against the JSON schemas of the kinds (`{kind: model_json_schema()}`).

    Raises `PolicyError` with file, line, column and remedy.
    """
    source = Source(file, source_text)
    top = Mapping(source, source.root(), "a policy", _TOP)
    _check_version(source, top)
    defaults = _default_terms(source, top)
    rules, nodes, scalars = _rules(source, top, schemas, defaults)
    try:
        policy = Policy(
            file=file,
            rules=rules,
            schemas=schemas,
            engine=engine.identity,
            on_error=_on_error(source, top),
            constants=_constants(source, top),
            default_terms=defaults,
        )
    except BadInput as e:
        raise PolicyError(f"the policy's schemas or constants: {e.what}", file=file, remedy=e.remedy) from e
    check_reachable(policy, lambda rule: source.place(nodes[rule.id]))
    try:
        compile_policy(policy, engine)
    except RuleInvalid as e:
        raise _placed(source, scalars[e.rule.id, e.part], e) from e
    return policy


def _placed(source: Source, node: yaml.ScalarNode, e: RuleInvalid) -> PolicyError:
    problem = located(e.problem, node.value)
    about = f"rule {e.rule.id!r}, kind {e.kind!r}: {problem.message}"
    place = source.place_inside(node, problem.line, problem.column)
    return PolicyError(about, place, remedy=hint(problem, node.value, e.variables))


def _check_version(source: Source, top: Mapping) -> None:
    node = top.need("version", "a policy")
    if scalar(source, node, "version") != 1:
        raise PolicyError("version must be 1", source.place(node), remedy="write `version: 1`")


def _on_error(source: Source, top: Mapping) -> Verdict:
    node = top.get("on_error")
    return Verdict.DENY if node is None else VERDICTS[_one_of(source, node, "on_error", ("deny", "review"))]


def _one_of(source: Source, node: yaml.Node, what: str, allowed: tuple[str, ...]) -> str:
    value = text(source, node, what)
    if value not in allowed:
        raise PolicyError(
            f"{what} can't be {value!r}", source.place(node), remedy=suggestion(value, allowed, "it may be")
        )
    return value


def _constants(source: Source, top: Mapping) -> dict[str, Any]:
    node = top.get("constants")
    if node is None:
        return {}
    found: dict[str, Any] = {}
    for name, (key, value) in Mapping(source, node, "constants", None).entries.items():
        if not _IDENTIFIER.match(name):
            raise PolicyError(
                f"constant {name!r} can't be named in a condition",
                source.place(key),
                remedy="use letters, digits and underscores",
            )
        found[name] = _constant(source, value, f"constant {name!r}")
    return found


def _constant(source: Source, node: yaml.Node, what: str) -> Any:
    if not isinstance(node, yaml.SequenceNode):
        value = scalar(source, node, what)
        if isinstance(value, float) and not math.isfinite(value):
            raise PolicyError(f"{what} must be a finite number", source.place(node))
        return value
    values = [scalar(source, n, what) for n in node.value]
    if not values or len({type(v) for v in values}) > 1:
        raise PolicyError(
            f"{what} must be a list of values of one type", source.place(node), remedy="write 1.0 for 1 among decimals"
        )
    return values


# --- rules ---------------------------------------------------------------------------------------------------


def _rules(
    source: Source, top: Mapping, schemas: MappingType[str, Any], defaults: ReviewTerms
) -> tuple[tuple[Rule, ...], dict[str, yaml.Node], Scalars]:
    rules: list[Rule] = []
    nodes: dict[str, yaml.Node] = {}
    scalars: Scalars = {}
    listed = items(source, top.need("rules", "a policy"), "rules")
    if len(listed) > MAX_RULES:
        raise PolicyError(f"more than {MAX_RULES} rules", source.place(listed[MAX_RULES]), remedy="merge conditions")
    for node in listed:
        entry = Mapping(source, node, "a rule", _RULE)
        rule = _rule(source, entry, schemas, defaults, scalars)
        if rule.id in nodes:
            first = source.place(nodes[rule.id])
            raise PolicyError(
                f"rule id {rule.id!r} is taken (line {first.line})",
                source.place(entry.need("id", "a rule")),
                remedy="give each rule an id of its own: verdicts name it",
            )
        nodes[rule.id] = node
        rules.append(rule)
    return tuple(rules), nodes, scalars


def _rule(
    source: Source, entry: Mapping, schemas: MappingType[str, Any], defaults: ReviewTerms, scalars: Scalars
) -> Rule:
    id_node = entry.need("id", "a rule")
    rule_id = text(source, id_node, "id")
    if not _RULE_ID.match(rule_id):
        raise PolicyError(
            f"rule id {rule_id!r}", source.place(id_node), remedy="use up to 100 letters, digits, '-', '_' and '.'"
        )
    what = f"rule {rule_id!r}"
    verdict = VERDICTS[_one_of(source, entry.need("verdict", what), f"verdict of {what}", tuple(VERDICTS))]
    because, when = entry.get("because"), entry.get("when")
    condition = "" if when is None else text(source, when, f"when of {what}")
    if isinstance(when, yaml.ScalarNode):
        scalars[rule_id, "when"] = when
    _only_for(source, entry, verdict)
    return Rule(
        id=rule_id,
        kinds=_kinds(source, entry.need("kinds", what), what, schemas),
        verdict=verdict,
        when=condition,
        because="" if because is None else text(source, because, f"because of {what}"),
        terms=_terms(source, entry, what, defaults) if verdict is Verdict.REVIEW else None,
        assignments=_assignments(source, entry, rule_id, scalars) if verdict is Verdict.MODIFY else (),
    )


def _only_for(source: Source, entry: Mapping, verdict: Verdict) -> None:
    """Keys that mean nothing beside this verdict are mistakes, not decoration."""
    for keys, wanted in ((_TERMS, Verdict.REVIEW), (("set",), Verdict.MODIFY)):
        for key in keys:
            if key in entry.entries and verdict is not wanted:
                raise PolicyError(
                    f"{key!r} goes with the verdict {wanted.word!r} alone, this rule says {verdict.word!r}",
                    source.place(entry.entries[key][0]),
                    remedy=f"remove it, or write `verdict: {wanted.word}`",
                )


def _kinds(source: Source, node: yaml.Node, what: str, schemas: MappingType[str, Any]) -> tuple[str, ...]:
    nodes = [node] if isinstance(node, yaml.ScalarNode) else items(source, node, f"kinds of {what}")
    if not nodes:
        raise PolicyError(f"{what} is about no kind", source.place(node), remedy="name kinds, or '*' for all")
    found = []
    for n in nodes:
        kind = text(source, n, f"a kind of {what}")
        if kind != ANY_KIND and kind not in schemas:
            raise PolicyError(
                f"no proposal is of kind {kind!r}", source.place(n), remedy=suggestion(kind, schemas, "there are")
            )
        found.append(kind)
    return tuple(found)


def _assignments(source: Source, entry: Mapping, rule_id: str, scalars: Scalars) -> tuple[tuple[str, str], ...]:
    what = f"set of rule {rule_id!r}"
    node = entry.need("set", f"rule {rule_id!r}")
    found = []
    for name, (_, value) in Mapping(source, node, what, None).entries.items():
        found.append((name, text(source, value, what)))
        if isinstance(value, yaml.ScalarNode):
            scalars[rule_id, name] = value
    if not found:
        raise PolicyError(f"{what} is empty", source.place(node), remedy="write `field: expression`")
    return tuple(found)


# --- terms of reviews ----------------------------------------------------------------------------------------


def _default_terms(source: Source, top: Mapping) -> ReviewTerms:
    node = top.get("defaults")
    if node is None:
        return ReviewTerms()
    review = Mapping(source, node, "defaults", ("review",)).get("review")
    if review is None:
        return ReviewTerms()
    return _terms(source, Mapping(source, review, "defaults.review", _TERMS), "defaults.review", ReviewTerms())


def _terms(source: Source, entry: Mapping, what: str, defaults: ReviewTerms) -> ReviewTerms:
    tier, quorum, expires, role = (entry.get(key) for key in _TERMS)
    return ReviewTerms(
        tier=defaults.tier if tier is None else _one_of(source, tier, f"tier of {what}", TIERS),
        quorum=defaults.quorum if quorum is None else _quorum(source, quorum, what),
        expires_after_s=defaults.expires_after_s if expires is None else _duration(source, expires, what),
        roles=defaults.roles if role is None else (text(source, role, f"role of {what}"),),
    )


def _quorum(source: Source, node: yaml.Node, what: str) -> int:
    value = scalar(source, node, f"quorum of {what}")
    if type(value) is not int or not 1 <= value <= 10:
        raise PolicyError(
            f"quorum of {what} is {value!r}", source.place(node), remedy="write how many people, from 1 to 10"
        )
    return value


def _duration(source: Source, node: yaml.Node, what: str) -> float:
    """`90s`, `15m`, `1h30m`, `2d`, as seconds."""
    spelt = text(source, node, f"expires_after of {what}")
    parts = _PART.findall(spelt)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != spelt or not 0 < seconds <= 366 * _SECONDS["d"]:
        raise PolicyError(
            f"expires_after of {what} is {spelt!r}", source.place(node), remedy="write a time such as 90s, 15m or 1h30m"
        )
    return seconds
