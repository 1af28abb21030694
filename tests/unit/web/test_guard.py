from __future__ import annotations

import pytest
from tests.unit.review import kit
from tests.unit.web.conftest import HOST, TOKEN, World, form_of

PAGE = f"/reviews/{kit.proposal_id(1)}"
PAGES = ["/", "/rows", PAGE, f"{PAGE}/live?revision=0&digest=x", f"/answers/{kit.proposal_id(1)}/x"]


@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_shown_without_a_session(world: World, address: str) -> None:
    """Every page answers 401 and how to sign in, and tells nothing of the queue."""
    answer = world.browser().get(address)
    assert answer.status_code == 401
    assert "line-1" not in answer.text
    assert "rivergate review open" in answer.text


def test_the_token_begins_a_session_and_leaves_the_address(world: World) -> None:
    """The cookie is out of reach of scripts and of other sites; the redirect drops the token."""
    answer = world.browser().get(f"/login?token={TOKEN}")
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "t", "\u00e4" * 43])
def test_another_token_begins_none(world: World, token: str) -> None:
    """Neither a wrong one nor one that is nearly right."""
    answer = world.browser().get("/login", params={"token": token})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_session_ends_after_twelve_hours(world: World) -> None:
    """Its time is inside the signature."""
    browser = world.signed_in()
    world.now += 12 * kit.HOUR + 1
    assert browser.get("/").status_code == 401


def test_a_forged_cookie_is_no_session(world: World) -> None:
    """Whoever changes a letter has nothing."""
    browser = world.signed_in()
    name = world.site.sessions.cookie
    body, mac = browser.cookies[name].split(".")
    for forged in (f"{body}x.{mac}", f"{body}.{'0' * 64}", body, "a.b.c", ".", "\u00e4.x".encode().decode("latin-1")):
        browser.cookies.clear()
        assert browser.get("/", headers={"cookie": f"{name}={forged}".encode("latin-1")}).status_code == 401


def test_signing_out_ends_the_session(world: World) -> None:
    """The browser forgets its cookie."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text)
    assert browser.post("/logout", data={"form_token": form["form_token"]}).status_code == 303
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(world: World, headers: dict[str, str]) -> None:
    """Even with our cookie and our form's token."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text) | {"verdict": "approve"}
    assert browser.post(f"{PAGE}/decision", data=form, headers=headers).status_code == 403
    assert world.log.sent == []


def test_a_form_that_says_nothing_of_its_origin_is_refused(world: World) -> None:
    """A browser says it; what doesn't say it and has no bearer token has no business here."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text) | {"verdict": "approve"}
    for header in ("sec-fetch-site", "origin"):
        del browser.headers[header]
    assert browser.post(f"{PAGE}/decision", data=form).status_code == 403
    assert world.log.sent == []


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_a_form_without_its_token_is_refused(world: World, token: str | None) -> None:
    """A cookie alone decides nothing."""
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text) | {"verdict": "approve"}
    del form["form_token"]
    if token is not None:
        form["form_token"] = token
    assert browser.post(f"{PAGE}/decision", data=form).status_code == 403
    assert world.log.sent == []


def test_a_form_token_of_another_session_is_refused(world: World) -> None:
    """It is bound to the cookie it came with."""
    other = form_of(world.signed_in().get(PAGE).text)
    browser = world.signed_in()
    form = form_of(browser.get(PAGE).text) | {"verdict": "approve", "form_token": other["form_token"]}
    assert browser.post(f"{PAGE}/decision", data=form).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "10.0.0.5:8321"])
def test_another_host_name_is_refused(world: World, host: str) -> None:
    """A page of the web whose name resolves to this machine gets nothing (DNS rebinding)."""
    answer = world.signed_in().get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "line-1" not in answer.text


def test_an_oversized_body_is_refused(world: World) -> None:
    """Nobody's note is as long."""
    answer = world.signed_in().post(f"{PAGE}/decision", content=b"x" * 70_000)
    assert answer.status_code == 403


@pytest.mark.parametrize("address", ["/", "/static/review.js", "/healthz", "/api/v1/reviews", "/nowhere"])
def test_every_answer_carries_the_security_headers(world: World, address: str) -> None:
    """Pages, files, errors: no exceptions."""
    headers = world.browser().get(address).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_api_takes_no_cookie(world: World) -> None:
    """So no page of another site can make a browser use it."""
    answer = world.signed_in().get("/api/v1/reviews")
    assert answer.status_code == 401
    assert "Bearer" in answer.json()["error"]["message"]
    assert world.program("wrong").get("/api/v1/reviews").status_code == 401
    assert HOST not in answer.text
