"""The FastAPI application: routes, guard, and errors as pages or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from rivergate.domain.errors import BadInput, RivergateError
from rivergate.web import agents, api, pages, signin
from rivergate.web.credentials import API_PREFIX
from rivergate.web.guard import guard
from rivergate.web.signin import NotSignedIn
from rivergate.web.site import STATIC, Site


def make_application(site: Site, on_start: Callable[[], None] | None = None) -> FastAPI:
    """The review service's web side. `on_start` is called once it is about to answer."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        if on_start is not None:
            on_start()
        yield

    application = FastAPI(
        title=f"rivergate review queue: {site.service.app}",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{API_PREFIX}/openapi.json",
        lifespan=lifespan,
    )
    application.state.site = site
    application.middleware("http")(guard)
    application.include_router(api.router)
    application.include_router(agents.router)
    application.include_router(signin.router, include_in_schema=False)
    application.include_router(pages.router, include_in_schema=False)
    application.mount("/static", StaticFiles(directory=STATIC), name="static")
    application.add_api_route("/healthz", lambda: api.health_of(site), include_in_schema=False)
    application.add_exception_handler(NotSignedIn, _not_signed_in)
    application.add_exception_handler(RivergateError, _failed)
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(RequestValidationError, _malformed)
    return application


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(API_PREFIX)


async def _not_signed_in(request: Request, _: Exception) -> Response:
    site: Site = request.app.state.site
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return site.page(request, "signin.html", 401, refused=False)


async def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, RivergateError):
        raise error
    code = api.error_status(error)
    if _is_api(request):
        return JSONResponse(api.error_body(error), code)
    site: Site = request.app.state.site
    return site.page(request, "problem.html", code, what=error.what, remedy=error.remedy)


async def _http_error(request: Request, error: Exception) -> Response:
    code = getattr(error, "status_code", 500)
    what = str(getattr(error, "detail", "") or "that didn't work")
    if _is_api(request):
        body = {"error": {"code": str(code), "message": what, "where": "", "remedy": "", "near": []}}
        return JSONResponse(body, code, getattr(error, "headers", None))
    site: Site = request.app.state.site
    return site.page(request, "problem.html", code, what=what, remedy="")


async def _malformed(request: Request, error: Exception) -> Response:
    listed = error.errors() if isinstance(error, RequestValidationError) else []
    what = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in listed) or "malformed request"
    return await _failed(request, BadInput(what, remedy="see the API's description at /api/v1/openapi.json"))
