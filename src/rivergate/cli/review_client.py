"""Talking to the review service over HTTP: where it is, and what it says."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from rivergate.domain.errors import BadInput, ConfigError, RivergateError
from rivergate.review.view import DecisionView, ReviewDetail
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.web.credentials import API_PREFIX, Credentials, load_credentials

POLL_S = 0.15
_TIMEOUT_S = 40.0  # longer than a producer waits for its broker, whose error says more than a timeout


class ServiceUnreachable(RivergateError):
    """No review service answers at the address of the token file."""

    retryable = True


class Refused(RivergateError):
    """The review service said no. `code` is for programs."""

    def __init__(self, what: str, *, code: str, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.code = code


def find_credentials(data_dir: Path | None, token_file: Path | None) -> Credentials:
    """Of the token file that is named, of the data directory, else of the one app that runs here.

    Raises `ConfigError` where none or several are found.
    """
    if token_file is not None:
        return load_credentials(token_file)
    if data_dir is not None:
        return load_credentials(DataDir(data_dir).token_file)
    answering = [c for c in map(_readable, _token_files()) if c is not None and _answers(c)]
    if len(answering) == 1:
        return answering[0]
    if answering:
        raise ConfigError("several apps run here", remedy="say which with --data-dir")
    raise ServiceUnreachable(
        "no review service runs here",
        remedy="start the app with `rivergate up`, or name its data directory with --data-dir",
    )


def _token_files() -> list[Path]:
    name = DataDir(Path()).token_file.name
    folders = [Path(".rivergate"), default_data_dir("app").parent]
    return sorted({p.resolve() for folder in folders for p in (*folder.glob(name), *folder.glob(f"*/{name}"))})


def _readable(path: Path) -> Credentials | None:
    with contextlib.suppress(ConfigError):
        return load_credentials(path)
    return None


def _answers(credentials: Credentials) -> bool:
    try:
        return httpx.get(f"{credentials.address}/healthz", timeout=2.0).status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


class ReviewClient:
    """The review service as its API offers it. `http` can be given for tests."""

    def __init__(self, credentials: Credentials, http: httpx.Client | None = None) -> None:
        self.credentials = credentials
        self._http = http or httpx.Client(base_url=credentials.address, timeout=_TIMEOUT_S)

    def reviews(self, state: str, kind: str, limit: int) -> dict[str, Any]:
        """A page of the queue, as the API gives it."""
        return self._call("GET", "/reviews", params={"state": state, "kind": kind, "limit": limit})

    def review(self, proposal_id: str) -> ReviewDetail:
        """One review, by its id or a unique beginning of it."""
        return ReviewDetail.model_validate(self._call("GET", f"/reviews/{_in_path(proposal_id)}"))

    def decide(self, seen: ReviewDetail, verdict: str, note: str) -> str:
        """Send a decision about exactly what was seen; returns its id once it is durable on the log."""
        decision_id = secrets.token_hex(16)
        body = {
            "verdict": verdict,
            "decision_id": decision_id,
            "seen_digest": seen.arguments_digest,
            "seen_revision": seen.revision,
            "note": note,
        }
        self._call("POST", f"/reviews/{seen.proposal_id}/decision", json=body)
        return decision_id

    def resolve(self, seen: ReviewDetail, status: str, note: str) -> None:
        """Send a resolution of an unknown outcome."""
        body = {"status": status, "resolution_id": secrets.token_hex(16), "note": note}
        self._call("POST", f"/reviews/{seen.proposal_id}/resolution", json=body)

    def wait_for(
        self,
        proposal_id: str,
        done: Callable[[ReviewDetail], bool],
        wait_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> ReviewDetail:
        """The review once `done` holds, or as it is when `wait_s` are over."""
        deadline = time.monotonic() + wait_s
        while True:
            detail = self.review(proposal_id)
            if done(detail) or time.monotonic() >= deadline:
                return detail
            sleep(POLL_S)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        try:
            response = self._http.request(method, API_PREFIX + path, headers=headers, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise ServiceUnreachable(
                f"the review service doesn't answer: {str(e) or type(e).__name__}",
                where=self.credentials.address,
                remedy="start the app with `rivergate up`",
            ) from e
        try:
            body: dict[str, Any] = response.json()
        except ValueError as e:
            raise BadInput(
                f"something else than the review service answered ({response.status_code})",
                where=self.credentials.address,
                remedy="start the app again: it writes its address anew",
            ) from e
        if response.is_success:
            return body
        error = body.get("error", {})
        raise Refused(
            error.get("message", f"HTTP status {response.status_code}"),
            code=error.get("code", ""),
            remedy=error.get("remedy", ""),
        )


def decision_in(detail: ReviewDetail, decision_id: str) -> DecisionView | None:
    """The decision with this id, once the view has it."""
    return next((d for d in detail.decisions if d.decision_id == decision_id), None)


def _in_path(proposal_id: str) -> str:
    if not proposal_id.isalnum():
        raise BadInput(f"{proposal_id!r} is no id", remedy="`rivergate review list` shows the ids")
    return proposal_id
