from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from rivergate.domain.event import Proposal
from rivergate.gate.policy.cel import CelEngine
from rivergate.gate.policy.errors import PolicyError
from rivergate.gate.policy.file import load_policy
from rivergate.gate.policy.model import Policy, ReviewTerms, Verdict

ENGINE = CelEngine()


class Place(BaseModel):
    city: str


class Refund(Proposal):
    customer: str
    amount: float
    items: int = 1
    note: str | None = None
    place: Place | None = None
    weights: dict[str, float] = Field(default_factory=dict)


class Mail(Proposal):
    to: list[str]


SCHEMAS: dict[str, dict[str, Any]] = {"refund": Refund.model_json_schema(), "mail": Mail.model_json_schema()}

FULL = """\
# refunds
version: 1
on_error: review
constants:
  small: 20.0
  vips: [ada, bob]
  at_most: 5
defaults:
  review:
    tier: low
    quorum: 2
    expires_after: 1h30m
rules:
  - id: small
    kinds: [refund]
    when: >
      action.amount <= constants.small
      && action.items <= constants.at_most
    verdict: allow
    because: small ones pass
  - id: vip
    kinds: refund
    when: action.customer in constants.vips
    verdict: review
    tier: high
    role: manager
  - id: mails
    kinds: ["*"]
    when: |
      // anybody but the watcher
      agent != 'watcher'
      && confidence >= 0.5
    verdict: review
  - id: round
    kinds: [refund]
    when: "action.amount > 1000.0"
    verdict: modify
    set:
      amount: 1000.0
      note: "'capped'"
"""


def load(text: str = FULL) -> Policy:
    """The policy of a text."""
    return load_policy(text, "refunds.yaml", SCHEMAS, ENGINE)


def complaint(text: str) -> str:
    """What is said of a text that can't be loaded."""
    with pytest.raises(PolicyError) as e:
        load(text)
    return str(e.value)


def test_everything_that_a_policy_may_say() -> None:
    """Rules, defaults, constants and times come out as they were written."""
    p = load()
    assert p.on_error is Verdict.REVIEW
    assert p.constants == {"small": 20.0, "vips": ["ada", "bob"], "at_most": 5}
    by_id = {r.id: r for r in p.rules}
    assert by_id["vip"].terms == ReviewTerms("high", 2, 5400.0, ("manager",))
    assert by_id["mails"].terms == ReviewTerms("low", 2, 5400.0, ())
    assert by_id["round"].assignments == (("amount", "1000.0"), ("note", "'capped'"))
    assert by_id["small"].because == "small ones pass"


def test_the_digest_depends_on_what_is_judged_by_and_on_nothing_else() -> None:
    """Comments, layout and the file's name are free; a constant, a rule or a schema is not."""
    digest = load().digest
    assert load(FULL.replace("# refunds\n", "")).digest == digest
    assert load_policy(FULL, "other.yaml", SCHEMAS, ENGINE).digest == digest
    assert load(FULL.replace("small: 20.0", "small: 21.0")).digest != digest
    assert load(FULL.replace("small ones pass", "little ones pass")).digest != digest
    other = {**SCHEMAS, "refund": {**SCHEMAS["refund"], "title": "other"}}
    assert load_policy(FULL, "refunds.yaml", other, ENGINE).digest != digest


@pytest.mark.parametrize(
    ("old", "new", "place", "what", "remedy"),
    [
        # conditions, in every way of writing a scalar
        ("action.items <=", "action.item <=", "18:10", "undeclared reference to 'action.item'", "'action.items'"),
        ("<= constants.at_most", "<= 5.5", "18:23", "(int, double)", "or 5"),
        ("action.customer in", "action.costumer in", "23:11", "action.costumer", "did you mean 'action.customer'?"),
        ("agent != 'watcher'", "agnet != 'watcher'", "31:7", "'agnet'", "did you mean 'agent'?"),
        ("&& confidence >= 0.5", "&& confidence >= 1", "32:21", "(double, int)", "write 1.0"),
        ('"action.amount > 1000.0"', '"action.amount > 1000"', "36:26", "(double, int)", "write 1000.0"),
        (
            '"action.amount > 1000.0"',
            '"action.customer == \\"x\\" && amount > 1.0"',
            "36:40",
            "'amount'",
            "action.amount",
        ),
        (
            '"action.amount > 1000.0"',
            "'action.customer == ''x'' && amount > 1.0'",
            "36:40",
            "'amount'",
            "action.amount",
        ),
        ('"action.amount > 1000.0"', '"action.amount >"', "36:27", "Syntax error", "CEL"),
        ('"action.amount > 1000.0"', '"action.amount"', "36:12", "of type double", "true or false"),
        ('"action.amount > 1000.0"', '"budget.spent > 1000.0"', "36:12", "budget.spent", "kept for budgets"),
        ('"action.amount > 1000.0"', '"has(action.plaice.city)"', "36:16", "action.plaice", "'action.place'"),
        ("agent != 'watcher'", "action.amount > 1.0", "31:7", "kind 'mail'", "action"),
        # assignments
        ("amount: 1000.0", "amont: 1000.0", "39:14", "'action.amont'", "'action.amount'"),
        ("amount: 1000.0", "amount: \"'much'\"", "39:16", "of type double", "field's type"),
        ("amount: 1000.0", "amount: action.items * 2.0", "39:28", "(int, double)", "2"),
        # YAML and keys
        ("version: 1", "version: 2", "2:10", "version must be 1", "version: 1"),
        ("version: 1\n", "", "2:1", "lacks 'version'", "version:"),
        ("on_error: review", "on_error: allow", "3:11", "can't be 'allow'", "deny, review"),
        ("on_error", "on_eror", "3:1", "no key 'on_eror'", "'on_error'"),
        ("small: 20.0", "small: {a: 1}", "5:10", "constant 'small'", ""),
        ("small: 20.0", "small: .nan", "5:10", "finite", ""),
        ("small: 20.0", "small-ones: 20.0", "5:3", "can't be named", "underscores"),
        ("[ada, bob]", "[ada, 3]", "6:9", "one type", ""),
        ("[ada, bob]", "[]", "6:9", "one type", ""),
        ("tier: high", "tier: hihg", "25:11", "can't be 'hihg'", "'high'"),
        ("quorum: 2", "quorum: 0", "11:13", "quorum", "from 1 to 10"),
        ("quorum: 2", "quorum: true", "11:13", "quorum", "from 1 to 10"),
        ("1h30m", "soon", "12:20", "'soon'", "15m"),
        ("1h30m", "0s", "12:20", "'0s'", "15m"),
        ("kinds: refund", "kinds: refunds", "22:12", "kind 'refunds'", "'refund'"),
        ("kinds: refund", "kinds: []", "22:12", "no kind", "'*'"),
        ("kinds: refund\n", "\n", "21:5", "lacks 'kinds'", "kinds:"),
        ("id: vip", "id: small", "21:9", "is taken (line 14)", "id of its own"),
        ("id: vip", "id: a b", "21:9", "'a b'", "letters"),
        ("verdict: allow", "verdict: permit", "19:14", "'permit'", "allow"),
        ("because: small ones pass", "tier: low", "20:5", "goes with the verdict 'review'", "verdict: review"),
        ("because: small ones pass", "set: {amount: 1.0}", "20:5", "goes with the verdict 'modify'", "verdict: modify"),
        ("because: small ones pass", "because: [a]", "20:14", "must be text", ""),
        ("because: small ones pass", "because: a\n    because: b", "21:5", "twice", "remove"),
        ("when: action.customer in constants.vips", "when: 'false'", "21:5", "never speak", ""),
        (
            "  - id: small",
            "  - id: never\n    kinds: '*'\n    verdict: deny\n  - id: small",
            "17:5",
            "'never'",
            "condition",
        ),
        ("    set:\n      amount: 1000.0\n      note: \"'capped'\"\n", "", "34:5", "lacks 'set'", "set:"),
        ("    set:\n      amount: 1000.0\n      note: \"'capped'\"\n", "    set: {}\n", "38:10", "empty", "field"),
    ],
)
def test_mistakes_are_found_where_they_are(old: str, new: str, place: str, what: str, remedy: str) -> None:
    """File, line, column, what is wrong and what to write instead."""
    assert old in FULL
    said = complaint(FULL.replace(old, new, 1))
    assert said.startswith(f"refunds.yaml:{place}: ")
    assert what in said
    assert remedy in said.partition("→")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "- a",
        "rules: [",
        "version: 1\nrules: 3",
        "a: !!python/object:os.system x",
        "version: 1\nrules: [{id: 1",
        "\x07",
        "version: 1\nrules: []\n---\nversion: 1",
        "? [a]\n: b",
        "version: !x 1\nrules: []",
        "version: &a [*a]",
    ],
)
def test_what_is_no_policy_is_refused_in_a_sentence(text: str) -> None:
    """Empty, other YAML, no YAML: an error of ours with the file's name, never another's."""
    assert complaint(text).startswith("refunds.yaml")


def test_an_empty_list_of_rules_denies_everything() -> None:
    """A policy without rules is one: nothing is allowed."""
    assert load("version: 1\nrules: []").rules == ()


def test_too_long_or_too_many() -> None:
    """Bounds on the file and on the number of rules."""
    assert "1 MB" in complaint("#" * 1_000_001)
    rule = "  - {{id: r{}, kinds: refund, verdict: allow}}\n"
    assert "1000 rules" in complaint("version: 1\nrules:\n" + "".join(rule.format(i) for i in range(1001)))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"$ref": "https://elsewhere.invalid/schema"},
        {"properties": {"kind": {"type": "string"}}},
        {"properties": {"a": {"maximum": 2**60}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    """Not a schema, one that lies elsewhere, an argument that hides `action.kind`, a number without a canonical form."""
    with pytest.raises(PolicyError):
        load_policy("version: 1\nrules: []", "p.yaml", {"refund": schema}, ENGINE)
