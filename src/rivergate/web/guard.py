"""What every request has to pass, and the headers that every answer carries."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SAFE = {"GET", "HEAD"}
MAX_BODY_BYTES = 64 * 1024

Next = Callable[[Request], Awaitable[Response]]


async def guard(request: Request, call_next: Next) -> Response:
    """Refuse foreign hosts, foreign origins and oversized bodies; add the security headers."""
    request.state.nonce = secrets.token_urlsafe(18)
    refusal = refused(request)
    response = PlainTextResponse(refusal, 403) if refusal else await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Content-Security-Policy"] = content_security_policy(request.state.nonce)
    return response


def refused(request: Request) -> str | None:
    """Why the request is refused; None where it may go on.

    The host check keeps pages of the web away that resolve their name to this machine (DNS rebinding). A form
    must come from our own pages: the browser says so in `Sec-Fetch-Site`, older ones in `Origin`. A program
    that sends a bearer token sends no cookie that could be misused, so nothing is asked of it.
    """
    if urlsplit(f"//{request.headers.get('host', '')}").hostname not in LOOPBACK:
        return "this service answers under its own address alone: use http://127.0.0.1 and its port"
    if request.method in _SAFE:
        return None
    length = request.headers.get("content-length", "0")
    if "transfer-encoding" in request.headers or not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return f"a request's body must say its length, at most {MAX_BODY_BYTES} bytes"
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        return "this form was sent from another site: open the review page and decide there"
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return "this form was sent from another origin: open the review page and decide there"
    if site is None and origin is None and "authorization" not in request.headers:
        return "the request doesn't say where it comes from: use a current browser, or the API with its token"
    return None


def content_security_policy(nonce: str) -> str:
    """Only scripts that carry this answer's nonce run, and only htmx's policy may make HTML of text.

    No 'strict-dynamic': htmx makes the scripts of what it swaps in anew, and those would be trusted for its sake.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types htmx",
        )
    )


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
