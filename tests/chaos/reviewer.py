"""The script that answers reviews and settles unknown outcomes over the review service's API, as a person's program would."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

POLL_S = 0.3
NAME = "scripted-reviewer"


def answer_to(review: dict[str, Any]) -> str:
    """Two in three are approved; which ones follows from the event's number."""
    return "deny" if int(review["arguments"]["n"]) % 3 == 0 else "approve"


class Reviewer(threading.Thread):
    """Answers until it is stopped. What fails is tried again under the same decision id, so it is decided once.

    `token_file` is asked each time: after a supervisor has gone, another service is there. `was_done` is what the script
    says of an action of which effects don't know.
    """

    def __init__(self, token_file: Callable[[], Path], was_done: Callable[[str], bool]) -> None:
        super().__init__(name="reviewer", daemon=True)
        self._token_file = token_file
        self._was_done = was_done
        self._sent: set[str] = set()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Answer what is open or unknown, again and again."""
        with httpx.Client(timeout=5.0) as http:
            while not self._stop_asked.wait(POLL_S):
                try:
                    self._answer_all(http)
                except (httpx.HTTPError, OSError, ValueError, KeyError):
                    continue  # the service is away, or the review has moved on

    def stop(self) -> None:
        """Answer no more."""
        self._stop_asked.set()

    def _answer_all(self, http: httpx.Client) -> None:
        service = json.loads(self._token_file().read_text())
        http.base_url = f"{service['address']}/api/v1"
        http.headers["Authorization"] = f"Bearer {service['token']}"
        for item in self._listed(http, "open"):
            name = f"{item['proposal_id']}/{item['revision']}"
            if name not in self._sent:
                shown = http.get(f"/reviews/{item['proposal_id']}").raise_for_status().json()
                body = {
                    "verdict": answer_to(shown),
                    "decision_id": _id_of(name),
                    "seen_digest": shown["arguments_digest"],
                    "seen_revision": shown["revision"],
                    "note": f"{NAME}: looked at it",
                }
                self._send(http, f"/reviews/{item['proposal_id']}/decision", body, name)
        for item in self._listed(http, "unresolved"):
            name = f"{item['proposal_id']}/unknown"
            if name not in self._sent:
                status = "done" if self._was_done(item["proposal_id"]) else "failed"
                body = {"status": status, "resolution_id": _id_of(name), "note": f"{NAME}: looked into the ledger"}
                self._send(http, f"/reviews/{item['proposal_id']}/resolution", body, name)

    def _listed(self, http: httpx.Client, state: str) -> Iterator[dict[str, Any]]:
        listed = http.get("/reviews", params={"state": state, "limit": 200}).raise_for_status().json()
        for item in listed["reviews"]:
            if self._stop_asked.is_set():
                return
            yield item

    def _send(self, http: httpx.Client, path: str, body: dict[str, str], name: str) -> None:
        if http.post(path, json=body).is_success:
            self._sent.add(name)


def _id_of(name: str) -> str:
    return hashlib.sha256(f"{NAME}/{name}".encode()).hexdigest()[:32]
