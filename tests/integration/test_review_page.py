"""The review page in a real browser, over a real broker: what people see and press, and what reaches the log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from tests.integration.review_world import ReviewWorld
from tests.unit.review import kit

from rivergate.domain import names, wire
from rivergate.domain.signing import verify
from rivergate.runtime import keys
from rivergate.runtime.kafka import LocalKafka
from rivergate.web.credentials import load_credentials

REST_MS = 700
"""A little longer than keys rest after a page opens."""


@pytest.fixture(scope="module")
def chromium(need: Callable[..., str]) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    path = need("chromium", "google-chrome", package="chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def world(kafka: LocalKafka, tmp_path: Path) -> Iterator[ReviewWorld]:
    """A running review service with topics of its own."""
    world = ReviewWorld(kafka.bootstrap, tmp_path / "data")
    world.start()
    yield world
    world.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of; a test that expects complaints takes them out."""
    return []


@pytest.fixture
def page(chromium: Browser, world: ReviewWorld, complaints: list[str]) -> Iterator[Page]:
    """A signed-in page. A script error, a policy violation or a dialog that nobody asked for fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: (complaints.append(f"dialog: {d.message}"), d.dismiss()))
    page.goto(load_credentials(world.data.token_file).login_url)
    yield page
    context.close()
    assert complaints == []


def press(page: Page, *pressed: str) -> None:
    """Press keys one after the other, after the page's rest."""
    page.wait_for_timeout(REST_MS)
    for key in pressed:
        page.keyboard.press(key)


def test_approve_by_keyboard_and_see_the_gates_answer(world: ReviewWorld, page: Page) -> None:
    """From a row that appears by itself to a signed decision on the log, and back to "approved" on the page."""
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    urgent = world.open_review(1, left_s=300)
    later = world.open_review(2, left_s=3000)
    expect(page.locator(".queue tbody tr")).to_have_count(2)

    press(page, "j", "Enter")
    page.wait_for_url(f"**/reviews/{urgent}")
    expect(page.get_by_text("a shutdown above 1000 waits for a person")).to_be_visible()
    press(page, "n")
    page.keyboard.type("band checked: a d Enter")
    press(page, "Escape", "a")
    expect(page.locator("#approve")).to_be_focused()
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/reviews/{later}?sent={urgent}.*")
    expect(page.locator("#answer")).to_contain_text("waiting for the gate")
    (record,) = world.decisions(1)
    decision = wire.read(record)
    assert isinstance(decision, wire.DecisionRecord)
    assert (decision.proposal_id, decision.verdict, decision.by) == (urgent, "approve", "operator")
    assert decision.note == "band checked: a d Enter"
    assert decision.arguments_digest == kit.opened(1)["arguments_digest"]
    assert record.partition == 1
    assert record.key == b"line-7"
    review_key = keys.load_key(world.data.keys, keys.REVIEW)
    assert verify(orjson.loads(record.value or b""), {review_key.key_id: review_key.public})

    place = {"event": {"partition": 1}}
    judged = kit.judged(1, decision.decision_id) | place
    world.write(names.REVIEWS, names.DECISION_JUDGED_V1, judged)
    expect(page.locator("#answer")).to_contain_text("counted", timeout=2000)
    world.write(names.REVIEWS, names.REVIEW_SETTLED_V1, kit.settled(1, "approved", decision.decision_id) | place)
    expect(page.locator("#answer")).to_contain_text("approved", timeout=2000)
    press(page, "u")
    expect(page.locator(".queue tbody tr")).to_have_count(1)


def test_a_refusal_says_why(world: ReviewWorld, page: Page) -> None:
    """The gate is the authority: the page shows its reason and the review stays open."""
    pid = world.open_review(1)
    page.locator(".queue tbody tr").click()
    page.wait_for_url(f"**/reviews/{pid}")
    press(page, "d", "Enter")
    page.wait_for_url("**/?sent=*")
    decision_id = orjson.loads(world.decisions(1)[0].value or b"")["decision_id"]
    refusal = kit.judged(1, decision_id, "refused", "tier high needs a senior reviewer", approvals=0)
    world.write(names.REVIEWS, names.DECISION_JUDGED_V1, refusal | {"event": {"partition": 1}})
    expect(page.locator("#answer")).to_contain_text("refused: tier high needs a senior reviewer")
    expect(page.locator(f'tr[data-id="{pid}"]')).to_be_visible()


def test_nothing_is_decided_by_accident(world: ReviewWorld, page: Page) -> None:
    """Enter alone, a double press, a double click: never a decision that nobody meant, never two of one."""
    world.open_review(1, left_s=300)
    world.open_review(2, left_s=600)
    page.locator(".queue tbody tr").first.click()
    page.wait_for_url("**/reviews/*")
    press(page, "Enter", "Enter", " ", "y", "n")
    page.keyboard.press("Enter")
    press(page, "Escape", "a", "Escape", "Enter")
    page.wait_for_timeout(300)
    assert world.decisions_now() == []

    page.locator("#approve").dblclick()
    page.wait_for_url("**sent=*")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.wait_for_timeout(REST_MS)
    assert len(world.decisions_now()) == 1
    page.go_back()
    page.wait_for_timeout(REST_MS)
    assert len(world.decisions_now()) == 1


def test_a_review_that_changes_under_the_readers_eyes_cannot_be_approved(world: ReviewWorld, page: Page) -> None:
    """The page says so within a second, and its buttons rest until it is read again."""
    world.open_review(1)
    page.locator(".queue tbody tr").click()
    expect(page.locator("#approve")).to_be_enabled()
    amended = kit.amended(1, 1, {"line": "line-9", "cost": 9999.0}) | {"event": {"partition": 1}}
    world.write(names.REVIEWS, names.REVIEW_AMENDED_V1, amended)
    expect(page.get_by_text("has changed since you opened it")).to_be_visible()
    expect(page.locator("#approve")).to_be_disabled()
    page.get_by_role("link", name="Read it again").click()
    expect(page.locator("tr.changed")).to_have_count(2)
    expect(page.locator("#approve")).to_be_enabled()


def test_what_agents_write_is_inert(world: ReviewWorld, page: Page) -> None:
    """Markup stays text on every page, also where htmx swaps it in; the fixture fails on any script's sign of life."""
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)><p hx-get="/" hx-trigger="load">'
    pid = world.open_review(1, args={evil: evil, "amount": "1\u202e0001"}, kind=evil)
    expect(page.locator(".queue tbody tr")).to_have_count(1)
    expect(page.locator(".queue")).to_contain_text("<script>alert(1)</script>")
    page.locator(".queue tbody tr").click()
    page.wait_for_url(f"**/reviews/{pid}")
    expect(page.locator(".arguments")).to_contain_text("U+202E")
    assert page.locator("main img, main script, main [onerror]").count() == 0
    decision = kit.decision(1, "decision-1", note=evil) | {"event": {"partition": 1}}
    world.write(names.DECISIONS, names.DECISION_V1, decision)
    expect(page.locator(".decisions")).to_contain_text("<img src=x onerror=alert(2)>")


def test_markup_that_slips_through_still_does_nothing(world: ReviewWorld, page: Page, complaints: list[str]) -> None:
    """The second line of defence: were a value ever unescaped, no script of it runs and no request of it is sent."""
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    evil = (
        "<script>document.title = 'pwned'</script><img src=x onerror=\"document.title = 'pwned'\">"
        '<p id="slipped" hx-get="/logout?slipped" hx-trigger="load">slipped</p></section>'
    )

    def slip(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</section>", evil))

    page.route("**/rows?*", slip)
    world.open_review(1)
    expect(page.locator("#slipped")).to_be_visible()
    page.wait_for_timeout(500)
    assert "pwned" not in page.title()
    assert [url for url in asked if "slipped" in url] == []
    assert any("blocked" in c or "violates" in c for c in complaints)
    complaints.clear()


def test_the_view_is_rebuilt_when_its_database_is_gone(world: ReviewWorld, page: Page) -> None:
    """The database is a view: deleted, it comes back from the log."""
    world.open_review(1)
    world.open_review(2)
    expect(page.locator(".queue tbody tr")).to_have_count(2)
    page.goto("about:blank")  # a page that polls would complain of the service that isn't there
    world.stop()
    for file in world.data.root.glob("review.db*"):
        file.unlink()
    page.goto(world.start().login_url)
    expect(page.locator(".queue tbody tr")).to_have_count(2)
