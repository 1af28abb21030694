"""The JSON API under `/api/v1`: what the command line and other programs use. `Authorization: Bearer` alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from rivergate.domain.errors import BadInput, RivergateError
from rivergate.review import ports
from rivergate.review.errors import ReviewError, ReviewNotFound
from rivergate.review.service import Receipt, Reviewer
from rivergate.review.view import ReviewDetail, ReviewItem
from rivergate.web.credentials import API_PREFIX
from rivergate.web.site import Site


class DecisionIn(BaseModel):
    """A decision about exactly what was seen. The same `decision_id` again is the same decision."""

    model_config = ConfigDict(extra="forbid")

    verdict: str
    decision_id: str
    seen_digest: str
    seen_revision: int = Field(ge=0)
    note: str = ""


class ResolutionIn(BaseModel):
    """A person's word on an action whose outcome is unknown."""

    model_config = ConfigDict(extra="forbid")

    status: str
    resolution_id: str
    note: str = ""


class Listed(BaseModel):
    """An answer to `GET /reviews`. `counts` are of the whole queue."""

    app: str
    reviews: list[ReviewItem]
    counts: dict[str, int]
    version: int
    caught_up: bool


class Sent(BaseModel):
    """The record is on the log; the gate's answer appears in the review's `decisions`."""

    id: str
    proposal_id: str
    answer: str = "sent"
    partition: int
    offset: int


def reviewer(request: Request) -> Reviewer:
    """Who sent the token."""
    site: Site = request.app.state.site
    found = site.sessions.bearer(request.headers.get("authorization"), site.service.clock())
    if found is None:
        raise HTTPException(
            401, "send the token of the token file as `Authorization: Bearer`", {"WWW-Authenticate": "Bearer"}
        )
    return found


def _site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


TheSite = Annotated[Site, Depends(_site)]
TheReviewer = Annotated[Reviewer, Depends(reviewer)]
router = APIRouter(prefix=API_PREFIX, dependencies=[Depends(reviewer)])


@router.get("/reviews")
def reviews(
    site: TheSite,
    state: str = "open",
    kind: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Listed:
    """Reviews of one state, or `settled`, `unresolved`, `all`."""
    store = site.service.store
    version = store.version()
    return Listed(
        app=site.service.app,
        reviews=list(site.service.items(ports.Query(state, kind, limit, offset))),
        counts=dict(store.counts()),
        version=version,
        caught_up=site.status.caught_up,
    )


@router.get("/reviews/{proposal_id}")
def review(proposal_id: str, site: TheSite) -> ReviewDetail:
    """One review, by its id or a unique beginning of it."""
    return site.service.detail(proposal_id)


@router.post("/reviews/{proposal_id}/decision", status_code=202)
def decide(proposal_id: str, decision: DecisionIn, site: TheSite, by: TheReviewer) -> Sent:
    """Write a decision. It is durable when this answers."""
    detail = site.service.detail(proposal_id)
    receipt = site.service.decide(
        detail.proposal_id,
        decision.verdict,
        decision.decision_id,
        by,
        note=decision.note,
        seen_digest=decision.seen_digest,
        seen_revision=decision.seen_revision,
    )
    return _sent(detail.proposal_id, receipt)


@router.post("/reviews/{proposal_id}/resolution", status_code=202)
def resolve(proposal_id: str, resolution: ResolutionIn, site: TheSite, by: TheReviewer) -> Sent:
    """Write a resolution of an unknown outcome."""
    detail = site.service.detail(proposal_id)
    receipt = site.service.resolve(
        detail.proposal_id, resolution.status, resolution.resolution_id, by, note=resolution.note
    )
    return _sent(detail.proposal_id, receipt)


@router.get("/healthz")
def health(site: TheSite) -> dict[str, Any]:
    """How the service and its view are."""
    return health_of(site)


def health_of(site: Site) -> dict[str, Any]:
    """`ok` while the view follows the log."""
    status = site.status
    return {
        "ok": status.caught_up and not status.problem,
        "app": site.service.app,
        "caught_up": status.caught_up,
        "rebuilt": status.rebuilt,
        "problem": status.problem,
    }


def error_body(error: RivergateError) -> dict[str, Any]:
    """An error for programs."""
    near = list(error.near) if isinstance(error, ReviewNotFound) else []
    code = error.code if isinstance(error, ReviewError) else type(error).__name__
    return {"error": {"code": code, "message": error.what, "where": error.where, "remedy": error.remedy, "near": near}}


def error_status(error: RivergateError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, ReviewError):
        return error.status
    if isinstance(error, BadInput):
        return 422
    return 503 if error.retryable else 500


def _sent(proposal_id: str, receipt: Receipt) -> Sent:
    return Sent(id=receipt.id, proposal_id=proposal_id, partition=receipt.partition, offset=receipt.offset)
