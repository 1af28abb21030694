from __future__ import annotations

import re

import orjson
from tests.unit.review import kit
from tests.unit.web.conftest import World, form_of

from rivergate.domain import names
from rivergate.domain.clock import SECOND

PAGE = f"/reviews/{kit.proposal_id(1)}"
DECIDE = f"{PAGE}/decision"


def test_the_queue_lists_what_waits(world: World) -> None:
    """Kind, arguments and confidence of each open review."""
    page = world.signed_in().get("/").text
    assert kit.proposal_id(1) in page
    assert "line: line-1" in page
    assert "87 %" in page


def test_a_review_shows_the_rule_the_reasons_and_the_trace(world: World) -> None:
    """What a person needs to decide, on one page."""
    page = world.signed_in().get(PAGE).text
    for part in ("costly-shutdown", "action.cost", "sensor_7", "+1.8", f"/trace/{kit.TRACE}", "1200.5"):
        assert part in page


def test_a_form_becomes_a_decision_and_goes_on_to_the_next(world: World) -> None:
    """The record is on the log before the answer, which names the next review and the decision that was sent."""
    world.happened(names.REVIEW_OPENED_V1, kit.opened(2))
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text)
    answer = browser.post(DECIDE, data=form | {"verdict": "approve", "note": "seen"})
    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"/reviews/{kit.proposal_id(2)}?sent={kit.proposal_id(1)}.{form['decision_id']}"
    )
    value = orjson.loads(world.log.sent[0][0].value or b"")
    assert (value["by"], value["verdict"], value["note"]) == ("operator", "approve", "seen")
    assert value["auth_method"] == "local-session"


def test_a_form_sent_twice_is_one_decision(world: World) -> None:
    """A double click, a reload: both get the same answer, the log one record."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text) | {"verdict": "deny"}
    first, second = browser.post(DECIDE, data=form), browser.post(DECIDE, data=form)
    assert first.headers["location"] == second.headers["location"]
    assert len(world.log.sent) == 1


def test_the_gates_answer_appears(world: World) -> None:
    """Sent, then counted, then approved; unchanged, the page isn't sent again."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text)
    browser.post(DECIDE, data=form | {"verdict": "approve"})
    world.store.write(world.log.records["fleet.decisions", 0])
    answers = f"/answers/{kit.proposal_id(1)}/{form['decision_id']}"
    assert "waiting for the gate" in browser.get(answers).text
    version = world.site.version()
    assert browser.get(f"{answers}?v={version}").status_code == 204
    world.happened(names.DECISION_JUDGED_V1, kit.judged(1, form["decision_id"]))
    assert "counted" in browser.get(f"{answers}?v={version}").text
    world.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "approved", form["decision_id"]))
    last = browser.get(answers).text
    assert "approved" in last
    assert "hx-get" not in last


def test_a_decision_that_nobody_answers_is_overdue(world: World) -> None:
    """The gate never answers what it reads too late: an open page says so, and its review is the next one again."""
    world.happened(names.REVIEW_OPENED_V1, kit.opened(2))
    world.happened(names.DECISION_V1, kit.decision(2, "decision-2"))
    browser = world.signed_in()
    answers = f"/answers/{kit.proposal_id(2)}/decision-2"
    version = world.site.version()

    def decided(verdict: str) -> str:
        form = form_of(browser.get(PAGE).text) | {"verdict": verdict}
        return browser.post(DECIDE, data=form).headers["location"]

    assert "waiting for the gate" in browser.get(answers).text
    assert decided("approve").startswith("/?sent=")
    world.now += 6 * 60 * SECOND
    assert "decide again" in browser.get(f"{answers}?v={version}").text
    assert "overdue" in browser.get(f"/reviews/{kit.proposal_id(2)}").text
    assert decided("deny").startswith(f"/reviews/{kit.proposal_id(2)}?")
    world.happened(names.DECISION_JUDGED_V1, kit.judged(2, "decision-2"))
    assert "counted" in browser.get(answers).text


def test_a_refused_decision_says_why(world: World) -> None:
    """The gate's reason stands on the page."""
    browser = world.signed_in()
    world.happened(names.DECISION_V1, kit.decision(1, "decision-1"))
    world.happened(names.DECISION_JUDGED_V1, kit.judged(1, "decision-1", "refused", "not in role senior", approvals=0))
    assert "not in role senior" in browser.get(f"/answers/{kit.proposal_id(1)}/decision-1").text
    assert "not in role senior" in browser.get(PAGE).text


def test_a_review_that_changed_says_so_and_takes_no_decision(world: World) -> None:
    """The open page is told; its form is refused; the note isn't lost."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text)
    world.happened(names.REVIEW_AMENDED_V1, kit.amended(1, 1, {"line": "line-2"}))
    live = browser.get(f"{PAGE}/live?revision={form['seen_revision']}&digest={form['seen_digest']}").text
    assert "has changed since you opened it" in live
    assert 'data-decidable="no"' in live
    answer = browser.post(DECIDE, data=form | {"verdict": "approve", "note": "my long note"})
    assert answer.status_code == 409
    assert "has changed since you opened it" in answer.text
    assert "my long note" in answer.text
    assert world.log.sent == []


def test_an_expired_review_takes_no_decision(world: World) -> None:
    """With the reason in a sentence."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text)
    world.now += kit.HOUR
    answer = browser.post(DECIDE, data=form | {"verdict": "approve"})
    assert answer.status_code == 409
    assert "deadline has passed" in answer.text


def test_a_settled_review_has_no_form(world: World) -> None:
    """There is nothing left to press."""
    world.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "expired"))
    assert 'class="decide"' not in world.signed_in().get(PAGE).text


def test_an_unresolved_action_asks_what_came_of_it(world: World) -> None:
    """And the answer is written as a resolution."""
    world.happened(names.ACTION_V1, kit.action(2, "allow"))
    world.happened(names.OUTCOME_V1, kit.outcome(2, "unknown"))
    browser = world.signed_in()
    assert kit.proposal_id(2) in browser.get("/?state=unresolved").text
    page = f"/reviews/{kit.proposal_id(2)}"
    form = form_of(browser.get(page).text)
    assert browser.post(f"{page}/resolution", data=form | {"status": "done", "note": "on site"}).status_code == 303
    assert orjson.loads(world.log.sent[0][0].value or b"")["status"] == "done"


def test_an_unknown_id_gets_a_page_that_says_so(world: World) -> None:
    """In words, with near matches."""
    answer = world.signed_in().get("/reviews/" + kit.proposal_id(1)[:4] + "zz")
    assert answer.status_code == 404
    assert "Did you mean" in answer.text


def test_what_others_wrote_is_text(world: World) -> None:
    """Markup in kinds, arguments, reasons, rules and notes is escaped; hidden characters are shown; size is capped."""
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)"><p hx-get="/logout" hx-trigger="load">'
    args = {evil: evil, "amount": "1\u202e0001\u202c\u200b", "long": "x" * 50_000, "deep": {"a": [evil]}}
    rules = [{"id": evil, "verdict": evil, "because": evil, "values": {evil: evil}}]
    reasons = [{"text": evil}, {"feature": evil, "value": evil, "contribution": 1.0}]
    event_id = f"{evil}#1"
    world.happened(names.PROPOSAL_V1, kit.proposal(3, args, kind=evil, agent=evil, reasons=reasons, event_id=event_id))
    world.happened(names.REVIEW_OPENED_V1, kit.opened(3, args, kind=evil, rules=rules, tier=evil, event_id=event_id))
    world.happened(names.DECISION_V1, kit.decision(3, "decision-3", note=evil, by=evil))
    world.happened(names.DECISION_JUDGED_V1, kit.judged(3, "decision-3", "refused", evil))
    browser = world.signed_in()
    for address in ("/", "/?state=all", f"/reviews/{kit.proposal_id(3)}", f"/answers/{kit.proposal_id(3)}/decision-3"):
        page = browser.get(address).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<p hx-get" not in page
        assert "\u202e" not in page
        assert "\u200b" not in page
        assert len(page) < 60_000
    page = browser.get(f"/reviews/{kit.proposal_id(3)}").text
    assert "U+202E" in page
    assert "46000 more characters" in page


def test_every_script_carries_the_nonce_of_its_answer(world: World) -> None:
    """A policy without exceptions: no inline handlers, no inline styles, a new nonce each time."""
    browser = world.signed_in()
    nonces = set()
    for address in ("/", PAGE):
        answer = browser.get(address)
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce is not None
        nonces.add(nonce[1])
        assert "unsafe" not in policy
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce[1]}"' in s for s in scripts)
        assert not re.search(r"\son\w+=|\sstyle=", answer.text)
    assert len(nonces) == 2


def test_a_view_that_is_not_there_yet_says_so(world: World) -> None:
    """Whoever sees an empty queue must know whether it is."""
    world.site.status.caught_up = False
    world.site.status.rebuilt = "another log"
    page = world.signed_in().get("/").text
    assert "catching up with the log" in page
    assert "another log" in page


def test_a_view_that_stands_still_says_why(world: World) -> None:
    """What it shows may be old; the reason is one that an operator can act on."""
    world.site.status.problem = "no space left on the device"
    page = world.signed_in().get("/").text
    assert 'title="no space left on the device">not following the log<' in page
