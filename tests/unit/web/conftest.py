"""A review site over a store and a log in memory, and browsers that are signed in to it or not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.review import kit
from tests.unit.review.memory_store import MemoryStore

from rivergate.domain import names
from rivergate.domain.signing import SigningKey
from rivergate.review.service import ReviewService
from rivergate.web.application import make_application
from rivergate.web.credentials import Credentials
from rivergate.web.site import Site, ViewStatus

HOST = "http://127.0.0.1:8321"
TOKEN = "t" * 43


class World:
    """One site; review 1 is open."""

    def __init__(self) -> None:
        self.log = kit.MemoryLog()
        self.store = MemoryStore()
        self.now = kit.START + 1
        service = ReviewService(kit.APP, self.store, self.log, SigningKey(bytes(32)), lambda: self.now)
        trace_url = "http://127.0.0.1:16686/trace/{trace_id}"
        self.site = Site(service, Credentials("operator", TOKEN, HOST), trace_url, ViewStatus(caught_up=True))
        self.happened(names.PROPOSAL_V1, kit.proposal(1))
        self.happened(names.REVIEW_OPENED_V1, kit.opened(1))

    def happened(self, ce_type: str, value: dict[str, Any]) -> None:
        """A stage wrote this, and the view has it."""
        self.store.write([self.log.append(ce_type, value)])

    def browser(self, **headers: str) -> TestClient:
        """A browser on one of our own pages."""
        sent = {"sec-fetch-site": "same-origin", "origin": HOST} | headers
        return TestClient(make_application(self.site), base_url=HOST, headers=sent, follow_redirects=False)

    def signed_in(self) -> TestClient:
        """The same, after login."""
        browser = self.browser()
        assert browser.get(f"/login?token={TOKEN}").status_code == 303
        return browser

    def program(self, token: str = TOKEN) -> TestClient:
        """A program with a token."""
        headers = {"authorization": f"Bearer {token}"}
        return TestClient(make_application(self.site), base_url=HOST, headers=headers, follow_redirects=False)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a review's form."""
    decide = page[page.index('class="decide"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', decide))


@pytest.fixture
def world() -> World:
    """A fresh one for each test."""
    return World()
