"""`Site`: what the routes share."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from rivergate.domain.clock import SECOND
from rivergate.review.service import ReviewService
from rivergate.web import display
from rivergate.web.credentials import Credentials
from rivergate.web.live_agents import NO_AGENTS, LiveAgents
from rivergate.web.sessions import Session, Sessions

STATIC = Path(str(files("rivergate.web") / "static"))


@dataclass(slots=True)
class ViewStatus:
    """How the view follows the log; written by the thread that feeds it, read by the pages."""

    caught_up: bool = False
    rebuilt: str = ""
    problem: str = ""


@dataclass(slots=True)
class Site:
    """One review service's web side. `trace_url` has `{trace_id}` where the trace's id goes; empty: no link."""

    service: ReviewService
    credentials: Credentials
    trace_url: str = ""
    status: ViewStatus = field(default_factory=ViewStatus)
    agents: LiveAgents = NO_AGENTS
    sessions: Sessions = field(init=False)
    pages: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.credentials)
        self.pages = Environment(
            loader=PackageLoader("rivergate.web", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.pages.filters |= {
            "visible": display.visible,
            "value_text": display.value_text,
            "type_name": display.type_name,
            "clock_time": display.clock_time,
            "percent": display.percent,
            "signed": display.signed,
            "compact_json": lambda v: json.dumps(v, ensure_ascii=False),
        }

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page or a fragment of one."""
        now = self.service.clock()
        session: Session | None = getattr(request.state, "session", None)
        content = self.pages.get_template(template).render(
            app=self.service.app,
            nonce=request.state.nonce,
            session=session,
            status=self.status,
            version=self.version() if session else "",
            time_left=lambda expires_at: display.time_left(expires_at, now),
            new_id=lambda: secrets.token_hex(16),
            trace_link=self.trace_link,
            **values,
        )
        return HTMLResponse(content, status)

    def version(self) -> str:
        """What a page stands for: it is another one once the view has changed, and each minute, since a decision that
        nobody answers grows overdue.
        """
        return f"{self.service.store.version()}.{self.service.clock() // (60 * SECOND)}"

    def trace_link(self, trace_id: str) -> str:
        """Where the trace can be opened, or nothing."""
        return self.trace_url.replace("{trace_id}", trace_id) if self.trace_url and trace_id else ""
