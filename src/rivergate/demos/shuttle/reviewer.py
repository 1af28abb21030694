"""The scripted reviewer: answers reviews over the review service's JSON API, as a person's program would.

It plays a person who walks to the machine and looks: so it may know the truth of the reading, which the agent
learns late or never. It approves where the machine was in trouble, denies where it wasn't, and lets some reviews
with a short deadline lie, as people do.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import httpx

from rivergate.demos.shuttle.plan import SOURCE
from rivergate.demos.shuttle.telemetry import Truths
from rivergate.domain.clock import SECOND, parse_rfc3339

NAME = "scripted-reviewer"
POLL_S = 0.25
SHORT_S = 60
LEFT_ALONE = 4
"""Of the reviews with a short deadline, one in so many is left alone."""


def answer_to(review: dict[str, Any], truths: Truths) -> tuple[str, str] | None:
    """(verdict, note) for a review as the API shows it, or None to leave it alone. Deterministic."""
    if _is_short(review) and int(review["proposal_id"][:4], 16) % LEFT_ALONE == 0:
        return None
    number = int(str(review["event_id"]).removeprefix(f"{SOURCE}#reading-"))
    machine = review["arguments"].get("machine", "the machine")
    if truths[number]:
        return "approve", f"{NAME}: went to {machine}, it is in trouble"
    return "deny", f"{NAME}: went to {machine}, nothing is wrong with it"


def decision_for(review: dict[str, Any], verdict: str, note: str) -> dict[str, Any]:
    """The body of a decision about exactly what was seen; sent again, it is the same decision."""
    seen = f"{NAME}/{review['proposal_id']}/{review['revision']}"
    return {
        "verdict": verdict,
        "decision_id": hashlib.sha256(seen.encode()).hexdigest()[:32],
        "seen_digest": review["arguments_digest"],
        "seen_revision": review["revision"],
        "note": note,
    }


class ScriptedReviewer:
    """Polls the queue until it is told to stop. One thread. What the service refuses or can't do now is tried again
    with the next poll, since the review is then still open.
    """

    def __init__(self, token_file: Path, truths: Truths, http: httpx.Client | None = None) -> None:
        self._token_file = token_file
        self._truths = truths
        self._http = http or httpx.Client(timeout=20.0)
        self._sent: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Answer what is open, again and again."""
        while not stop.wait(POLL_S):
            try:
                self.answer_open()
            except (httpx.HTTPError, OSError, ValueError):
                continue
        self._http.close()

    def answer_open(self) -> None:
        """Answer every open review that hasn't been answered."""
        service = json.loads(self._token_file.read_text())
        base = f"{service['address']}/api/v1/reviews"
        headers = {"Authorization": f"Bearer {service['token']}"}
        listed = self._http.get(base, params={"state": "open", "limit": 1000}, headers=headers).raise_for_status()
        for item in listed.json()["reviews"]:
            pid = item["proposal_id"]
            if f"{pid}/{item['revision']}" in self._sent:
                continue
            review = self._http.get(f"{base}/{pid}", headers=headers).raise_for_status().json()
            answer = answer_to(review, self._truths)
            if answer is not None:
                body = decision_for(review, *answer)
                self._http.post(f"{base}/{pid}/decision", json=body, headers=headers).raise_for_status()
            self._sent.add(f"{pid}/{item['revision']}")


def _is_short(review: dict[str, Any]) -> bool:
    opened, expires = review.get("opened_at"), review.get("expires_at")
    if not opened or not expires:
        return False
    return parse_rfc3339(expires) - parse_rfc3339(opened) <= SHORT_S * SECOND
