"""Who is at the page: a signed cookie after login with the token, and the form token against forged requests."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from hashlib import sha256

from rivergate.domain.clock import SECOND, Micros
from rivergate.review.service import Reviewer
from rivergate.web.credentials import Credentials

SESSION_S = 12 * 3600
_COOKIE_PARTS = 2


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that proved the token. `form_token` has to come with each of its forms."""

    reviewer: Reviewer
    form_token: str


class Sessions:
    """Sessions live in their cookies, signed under the token: a restart keeps them, a new token ends them all."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        # A cookie goes to every port of the host; a name for each token keeps two services apart.
        self.cookie = "rg_session_" + sha256(b"cookie" + credentials.token.encode()).hexdigest()[:8]

    def token_holds(self, token: str) -> bool:
        """Whether this is the token; takes the same time for all that aren't."""
        return hmac.compare_digest(token.encode(), self._credentials.token.encode())

    def begin(self, now: Micros) -> str:
        """The cookie's value for a new session."""
        payload = {"auth_time": now, "nonce": secrets.token_hex(16)}
        body = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode()
        return f"{body}.{self._mac('session', body)}"

    def read(self, cookie: str | None, now: Micros) -> Session | None:
        """The session of a cookie; None where it is missing, forged or too old."""
        parts = (cookie or "").split(".")
        if len(parts) != _COOKIE_PARTS or not hmac.compare_digest(
            parts[1].encode(), self._mac("session", parts[0]).encode()
        ):
            return None
        payload = json.loads(base64.urlsafe_b64decode(parts[0]))
        auth_time: Micros = payload["auth_time"]
        if not 0 <= now - auth_time < SESSION_S * SECOND:
            return None
        reviewer = Reviewer(self._credentials.name, "local-session", auth_time, self._credentials.roles)
        return Session(reviewer, self._mac("form", payload["nonce"]))

    def bearer(self, authorization: str | None, now: Micros) -> Reviewer | None:
        """Who sent an `Authorization: Bearer` header with the token."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not self.token_holds(token.strip()):
            return None
        return Reviewer(self._credentials.name, "local-token", now, self._credentials.roles)

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._credentials.token.encode(), f"{purpose}:{text}".encode(), sha256).hexdigest()
