"""An `Explanation` told in sentences. Each is a list of (text, role), so that a screen can colour what a page marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rivergate.audit.explanation import (
    DecisionPart,
    EffectPart,
    Explanation,
    ReviewPart,
    RulePart,
)
from rivergate.audit.wording import between, fields_text, moment, short, value_text

Words = list[tuple[str, str]]
"""Text with its role: name, value, quote, good, bad, wait, quiet, or none."""

_SAID = {"approve": "approved it", "deny": "said no", "edit": "changed it", "ask": "asked back"}
_ROLES = {"approve": "good", "deny": "bad", "edit": "wait", "ask": "wait"}
_STATUS_ROLES = {"done": "good", "failed": "bad", "refused": "bad", "unknown": "wait"}


def narrative(e: Explanation) -> list[tuple[str, list[Words]]]:
    """Chapters (heading, sentences): event, agent, gate, people, action, outcome, label; those that there are."""
    chapters: list[tuple[str, Callable[[Explanation], list[Words]]]] = [
        ("event", _event),
        ("agent", _agent),
        ("gate", _gate),
        ("people", _people),
        ("denial" if e.denial and not e.action else "action", _action),
        ("effect", _effect),
        ("label", _labels),
    ]
    told = [(heading, tell(e)) for heading, tell in chapters]
    return [(heading, sentences) for heading, sentences in told if sentences]


def plain(words: Words) -> str:
    """The sentence without roles."""
    return "".join(text for text, _ in words)


def headline(e: Explanation) -> Words:
    """The end of it in a sentence."""
    ends: dict[str, tuple[str, str]] = {
        "proposed": ("was proposed; the gate hasn't judged it yet.", "wait"),
        "waiting": ("waits for a person.", "wait"),
        "allowed": ("was allowed; effects haven't begun yet.", "good"),
        "acting": ("was allowed and is being done; its outcome isn't there yet.", "wait"),
        "done": ("was done.", "good"),
        "failed": ("was allowed, and failed.", "bad"),
        "refused": ("was allowed, and effects refused to do it.", "bad"),
        "unknown": ("was allowed; nobody knows whether it was done. A person has to look.", "wait"),
        "denied": ("was denied.", "bad"),
        "expired": ("was denied, because nobody decided in time.", "bad"),
    }
    text, role = ends.get(e.state, (f"is {e.state}.", ""))
    return [(e.kind or "The proposal", "name"), (" ", ""), (text, role)]


def _event(e: Explanation) -> list[Words]:
    v = e.event
    first: Words = [("Event ", ""), (v.id or v.place, "name")]
    if v.place and v.place != v.id:
        first += [(" stands at ", ""), (v.place, "value")]
    if v.at:
        first += [(" and is of ", ""), (moment(v.at), "value")]
    if v.fields is None:
        return [[*first, ("; ", ""), (f"{v.note}.", "quiet")]]
    return [[*first, (".", "")], [("It says: ", ""), (fields_text(v.fields), "quote"), (".", "")]]


def _agent(e: Explanation) -> list[Words]:
    a = e.agent
    if a is None:
        return []
    first: Words = [("On ", ""), (moment(a.at), "value"), (" agent ", ""), (a.name, "name"), (" wanted ", "")]
    first += [(e.kind, "name"), (" with ", ""), (fields_text(e.arguments) or "no arguments", "quote")]
    if a.confidence is not None:
        first += [(", with a confidence of ", ""), (f"{a.confidence * 100:.0f} %", "value")]
    first.append((".", ""))
    sentences = [first]
    if a.on_behalf_of:
        sentences.append([("It did so on behalf of ", ""), (a.on_behalf_of, "name"), (".", "")])
    texts = [r.text for r in a.reasons if r.text]
    if texts:
        sentences.append([("Because: ", ""), ("; ".join(texts), "quote"), (".", "")])
    elif not a.reasons:
        sentences.append([("It gave no reasons.", "quiet")])
    if a.model is not None:
        sentence: Words = [("Its shard began with imported model ", ""), (a.model.digest[:12], "value")]
        sentence += [(", for which ", ""), (a.model.who, "name"), (" vouched: ", ""), (a.model.why, "quote"), (".", "")]
        sentences.append(sentence)
    if e.withdrawn:
        sentences.append([("It took it back: ", ""), (e.withdrawn, "quote"), (".", "")])
    return sentences


def _gate(e: Explanation) -> list[Words]:
    v = e.verdict
    if v is None:
        return [[("The gate has said nothing yet.", "wait")]]
    role = {"deny": "bad", "review": "wait"}.get(v.verdict, "good")
    took = between(e.agent.at, v.at) if e.agent else ""
    first: Words = [("The gate said ", ""), (v.verdict, role)]
    if took:
        first += [(" after ", ""), (took, "value")]
    first += [(", under policy ", ""), (short(v.policy_digest) or "unknown", "value"), (".", "")]
    sentences = [first, *map(_rule, v.rules)]
    if not v.rules:
        sentences.append([("No rule spoke", ""), (f": {v.reason}." if v.reason else ".", "")])
    return sentences


def _rule(rule: RulePart) -> Words:
    words: Words = [("Rule ", ""), (rule.id, "name")]
    if rule.verdict:
        words += [(" says ", ""), (rule.verdict, {"deny": "bad", "review": "wait"}.get(rule.verdict, "good"))]
    if rule.values:
        words += [(", since ", ""), (_facts(rule), "value")]
    words.append((".", ""))
    if rule.because:
        words += [(" ", ""), (_quoted(rule.because), "quote")]
    return words


def _facts(rule: RulePart) -> str:
    return " and ".join(f"{name} = {value_text(value)}" for name, value in rule.values.items())


def _people(e: Explanation) -> list[Words]:
    r = e.review
    if r is None:
        return []
    sentences: list[Words] = []
    for d in r.decisions:
        sentences += _decision(d, r)
    for a in r.amendments:
        by = f" by {a.by}" if a.by else ""
        sentences.append(
            [(f"The review got revision {a.revision}{by} ({a.because}); earlier approvals are void.", "wait")]
        )
    if not r.result:
        waiting: Words = [("It waits for ", ""), (_quorum(r), "wait"), (", until ", "")]
        return [*sentences, [*waiting, (moment(r.expires_at), "value"), (".", "")]]
    if not r.decisions:
        sentences.append([("Nobody decided.", "wait")])
    role = "good" if r.result == "approved" else "bad"
    end: Words = [("The review ended as ", ""), (r.result, role)]
    end += [(" after ", ""), (between(r.opened_at, r.settled_at), "value")]
    end.append((f": {r.reason}." if r.reason else ".", ""))
    return [*sentences, end]


def _quorum(r: ReviewPart) -> str:
    people = "one person" if r.quorum == 1 else f"{r.quorum} people"
    return f"{people} (tier {r.tier})" if r.tier else people


def _decision(d: DecisionPart, r: ReviewPart) -> list[Words]:
    first: Words = [(d.by, "name"), (" ", ""), (_SAID.get(d.verdict, d.verdict), _ROLES.get(d.verdict, ""))]
    waited = between(r.opened_at, d.at)
    if waited:
        first += [(" after ", ""), (waited, "value")]
    if d.note:
        first += [(": ", ""), (_quoted(d.note), "quote")]
    else:
        first += [(", without a note.", "quiet")]
    return [first, _answer(d)]


def _quoted(text: str) -> str:
    """In quotation marks, with a full stop if it has none of its own."""
    end = "" if text.rstrip().endswith((".", "!", "?")) else "."
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text.strip()}{end}\N{RIGHT DOUBLE QUOTATION MARK}"


def _answer(d: DecisionPart) -> Words:
    if not d.answer:
        return [("The gate hasn't answered that yet.", "wait")]
    if d.answer == "set aside":
        return [("The gate set that decision aside", "bad"), (f": {d.answer_reason}.", "")]
    if d.answer == "refused":
        return [("The gate refused that decision", "bad"), (f": {d.answer_reason}." if d.answer_reason else ".", "")]
    of = f" ({d.approvals} of {d.needed})" if d.verdict == "approve" and d.needed else ""
    return [("The gate ", ""), ("counted", "good"), (f" it{of}.", "")]


def _action(e: Explanation) -> list[Words]:
    if e.denial is not None and e.review is not None and e.denial.reason == e.review.reason != "":
        return []  # the people's chapter has said it
    if e.denial is not None:
        if e.review is None or e.denial.policy_digest == (e.verdict.policy_digest if e.verdict else ""):
            return (
                [] if e.review is None else [[("So it was ", ""), ("denied", "bad"), (_because(e.denial.reason), "")]]
            )
        again: Words = [("The gate judged again, under policy ", ""), (short(e.denial.policy_digest), "value")]
        return [
            [*again, (", and ", ""), ("denied", "bad"), (_because(e.denial.reason), "")],
            *map(_rule, e.denial.rules),
        ]
    a = e.action
    if a is None:
        return []
    words: Words = [("The action is bound to its exact arguments by digest ", ""), (short(a.digest), "value")]
    if a.modified:
        who = "the gate" if a.verdict == "modify" else "the review"
        words += [("; ", ""), (f"{who} changed them", "wait"), (" to ", ""), (fields_text(a.arguments), "quote")]
    words.append((".", ""))
    sentences = [words]
    if e.verdict and e.review and a.policy_digest != e.verdict.policy_digest:
        again = [("Before that the gate judged again, under policy ", ""), (short(a.policy_digest), "value"), (".", "")]
        sentences.append(again)
    return sentences


def _because(reason: str) -> str:
    return f": {reason}." if reason else "."


def _effect(e: Explanation) -> list[Words]:
    if e.action is None:
        return []
    outcomes = [x for x in e.effects if x.status != "intent"]
    attempts = [x for x in e.effects if x.status == "intent"]
    sentences: list[Words] = []
    if len(attempts) > 1:
        sentences.append([(f"Effects began {len(attempts)} times.", "wait")])
    if not e.effects:
        sentences.append([("Effects haven't begun yet.", "wait")])
    elif not outcomes:
        sentences.append([("Effects began at ", ""), (moment(attempts[0].at), "value"), ("; no outcome yet.", "wait")])
    return [*sentences, *(_outcome(x, e.action.at) for x in outcomes)]


def _outcome(x: EffectPart, allowed_at: str) -> Words:
    words: Words = [("It was ", ""), (x.status, _STATUS_ROLES.get(x.status, ""))]
    took = between(allowed_at, x.at)
    words += [(", ", ""), (took, "value"), (" after it was allowed", "")] if took else []
    if x.effect:
        words.append((f" (effect on the world: {x.effect})", "wait"))
    if x.detail not in (None, "", {}):
        text = fields_text(x.detail) if isinstance(x.detail, dict) else value_text(x.detail)
        words += [(": ", ""), (text, "quote")]
    return [*words, (".", "")]


def _labels(e: Explanation) -> list[Words]:
    spoke = e.agent.at if e.agent else ""
    sentences: list[Words] = []
    for label in e.labels:
        if label.at < spoke:  # labels may come early; text order of these times is time order
            words: Words = [("The truth was on the log ", ""), (between(label.at, spoke), "value")]
            words += [(" before the agent spoke, from the ", ""), (label.source, "name")]
        else:
            took = between(spoke, label.at)
            words = [(f"{took} later " if took else "Later ", ""), ("the truth was learnt from the ", "")]
            words.append((label.source, "name"))
        sentences.append([*words, (": ", ""), (value_text(label.value), "value"), (".", "")])
    return sentences


def contributions(e: Explanation) -> Sequence[tuple[str, str, float]]:
    """(feature, value, contribution) of the agent's reasons, the weightiest first."""
    reasons = e.agent.reasons if e.agent else ()
    found = [
        (r.feature, "" if r.value is None else value_text(r.value), r.contribution)
        for r in reasons
        if r.contribution is not None
    ]
    return sorted(found, key=lambda x: -abs(x[2]))
