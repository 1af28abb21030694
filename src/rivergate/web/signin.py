"""Signing in with the token's link, and what a page demands of a request."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from rivergate.web.sessions import SESSION_S, Session
from rivergate.web.site import Site

router = APIRouter(default_response_class=Response)

_SEE_OTHER = 303


class NotSignedIn(Exception):
    """The request has no session; it is answered with how to get one."""


def _site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


def _session(request: Request, site: Annotated[Site, Depends(_site)]) -> Session:
    found = site.sessions.read(request.cookies.get(site.sessions.cookie), site.service.clock())
    if found is None:
        raise NotSignedIn
    request.state.session = found
    return found


async def _form(request: Request, session: Annotated[Session, Depends(_session)]) -> Session:
    sent = (await request.form()).get("form_token")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), session.form_token.encode()):
        raise HTTPException(403, "this form is not of your session: open the review again and decide there")
    return session


SIGNED_IN = Depends(_session)
"""For routes that only a session may use."""
OWN_FORM = Depends(_form)
"""For routes that take a form of ours: it carries the session's token."""
TheSite = Annotated[Site, Depends(_site)]
TheForm = Annotated[Session, OWN_FORM]
"""The session behind such a form."""


@router.get("/login")
def login(request: Request, site: TheSite, token: str = "") -> Response:
    """Begin a session for who has the token. The redirect takes the token out of the address."""
    if not site.sessions.token_holds(token):
        return site.page(request, "signin.html", 403, refused=bool(token))
    response = RedirectResponse("/", _SEE_OTHER)
    cookie = site.sessions.begin(site.service.clock())
    response.set_cookie(site.sessions.cookie, cookie, max_age=SESSION_S, httponly=True, samesite="lax", path="/")
    return response


@router.post("/logout", dependencies=[OWN_FORM])
def logout(site: TheSite) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/login", _SEE_OTHER)
    response.delete_cookie(site.sessions.cookie, httponly=True, samesite="lax", path="/")
    return response
