"""The pages: the queue, one review, the answer to a decision. They work without scripts, htmx keeps them live."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from rivergate.domain.errors import RivergateError
from rivergate.review.case import State
from rivergate.review.errors import ReviewNotFound
from rivergate.review.ports import Query
from rivergate.review.view import DecisionView, ReviewDetail, ReviewItem
from rivergate.web.api import error_status
from rivergate.web.signin import SIGNED_IN, TheForm, TheSite
from rivergate.web.site import Site

router = APIRouter(default_response_class=Response, dependencies=[SIGNED_IN])

PAGE_ROWS = 200
_SEE_OTHER = 303


class DecisionForm(BaseModel):
    """What the review's page sends; `decision_id` was made when the page was."""

    verdict: str
    decision_id: str
    seen_digest: str
    seen_revision: int
    note: str = ""


class ResolutionForm(BaseModel):
    """A person's word on an unknown outcome."""

    status: str
    resolution_id: str
    note: str = ""


@router.get("/")
def queue(request: Request, site: TheSite, state: str = "open", kind: str = "", sent: str = "") -> Response:
    """The queue."""
    return site.page(request, "queue.html", sent=_sent(site, sent), **_rows(site, state, kind))


@router.get("/rows")
def rows(request: Request, site: TheSite, state: str = "open", kind: str = "", v: str = "") -> Response:
    """The queue's rows, if anything has changed since version `v`."""
    if v == site.version():
        return Response(status_code=204)
    return site.page(request, "_rows.html", **_rows(site, state, kind))


@router.get("/reviews/{proposal_id}")
def review(request: Request, proposal_id: str, site: TheSite, sent: str = "") -> Response:
    """One review."""
    return _review_page(request, site, proposal_id, sent=sent)


@router.get("/reviews/{proposal_id}/live")
def live(
    request: Request,
    proposal_id: str,
    site: TheSite,
    revision: int,
    digest: str,
    v: str = "",
) -> Response:
    """What can change of a review that somebody looks at, if anything has."""
    if v == site.version():
        return Response(status_code=204)
    r = site.service.detail(proposal_id)
    return site.page(request, "_live.html", r=r, seen_revision=revision, seen_digest=digest)


@router.get("/answers/{proposal_id}/{record_id}")
def answer(request: Request, proposal_id: str, record_id: str, site: TheSite, v: str = "") -> Response:
    """What the gate answered to a decision that was sent."""
    if v == site.version():
        return Response(status_code=204)
    return site.page(request, "_answer.html", sent=_sent(site, f"{proposal_id}.{record_id}"))


@router.post("/reviews/{proposal_id}/decision")
def decide(
    request: Request, proposal_id: str, site: TheSite, session: TheForm, form: Annotated[DecisionForm, Form()]
) -> Response:
    """Send a decision, then go on to the next open review."""
    following = _next(site, proposal_id)
    try:
        receipt = site.service.decide(
            proposal_id,
            form.verdict,
            form.decision_id,
            session.reviewer,
            note=form.note,
            seen_digest=form.seen_digest,
            seen_revision=form.seen_revision,
        )
    except RivergateError as e:
        return _review_page(request, site, proposal_id, error=e, note=form.note)
    to = f"/reviews/{following}" if following else "/"
    return RedirectResponse(f"{to}?{urlencode({'sent': f'{proposal_id}.{receipt.id}'})}", _SEE_OTHER)


@router.post("/reviews/{proposal_id}/resolution")
def resolve(
    request: Request, proposal_id: str, site: TheSite, session: TheForm, form: Annotated[ResolutionForm, Form()]
) -> Response:
    """Send a resolution, then show the review again."""
    try:
        site.service.resolve(proposal_id, form.status, form.resolution_id, session.reviewer, note=form.note)
    except RivergateError as e:
        return _review_page(request, site, proposal_id, error=e, note=form.note)
    return RedirectResponse(f"/reviews/{proposal_id}", _SEE_OTHER)


# --- inside --------------------------------------------------------------------------------------------------


def _rows(site: Site, state: str, kind: str) -> dict[str, Any]:
    store = site.service.store
    counts = dict(store.counts())
    settled = sum(n for s, n in counts.items() if s in set(State) - {State.OPEN})
    return {
        "items": site.service.items(Query(state, kind, PAGE_ROWS)),
        "state": state,
        "kind": kind,
        "kinds": store.kinds(),
        "counts": counts | {"settled": settled, "all": None},
        "page_rows": PAGE_ROWS,
        "query": urlencode({"state": state, "kind": kind}),
    }


def _review_page(
    request: Request,
    site: Site,
    proposal_id: str,
    *,
    sent: str = "",
    error: RivergateError | None = None,
    note: str = "",
) -> Response:
    r = site.service.detail(proposal_id)
    waiting = site.service.items(Query("open", "", PAGE_ROWS))
    ids = [i.proposal_id for i in waiting]
    at = ids.index(r.proposal_id) if r.proposal_id in ids else None
    return site.page(
        request,
        "review.html",
        status=200 if error is None else error_status(error),
        r=r,
        sent=_sent(site, sent),
        error=error,
        note=note,
        place=None if at is None else at + 1,
        waiting=len(ids),
        previous=ids[at - 1] if at else None,
        following=_after(ids, at, r.proposal_id),
        seen_revision=r.revision,
        seen_digest=r.arguments_digest,
    )


def _next(site: Site, proposal_id: str) -> str | None:
    ids = [i.proposal_id for i in site.service.items(Query("open", "", PAGE_ROWS)) if not _answered(i)]
    return _after(ids, ids.index(proposal_id) if proposal_id in ids else None, proposal_id)


def _answered(item: ReviewItem) -> bool:
    """Whether somebody's decision on it is on its way to the gate; one that is overdue isn't waited for."""
    return item.unanswered > 0


def _after(ids: list[str], at: int | None, proposal_id: str) -> str | None:
    """The id after `at`; after the last comes the first."""
    others = (ids[at + 1 :] + ids[:at]) if at is not None else [i for i in ids if i != proposal_id]
    return others[0] if others else None


def _sent(site: Site, sent: str) -> dict[str, Any] | None:
    """What became of the decision that the address names."""
    proposal_id, _, record_id = sent.partition(".")
    if not record_id:
        return None
    try:
        r: ReviewDetail = site.service.detail(proposal_id)
    except ReviewNotFound:
        return None
    decision: DecisionView | None = next((d for d in r.decisions if d.decision_id == record_id), None)
    return {"r": r, "record_id": record_id, "decision": decision}
