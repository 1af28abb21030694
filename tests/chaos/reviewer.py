"""The script that answers reviews over the review service's API, as a person's program would."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
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

    `token_file` is asked each time: after a supervisor has gone, another service is there.
    """

    def __init__(self, token_file: Callable[[], Path]) -> None:
        super().__init__(name="reviewer", daemon=True)
        self._token_file = token_file
        self._sent: set[str] = set()
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Answer what is open, again and again."""
        with httpx.Client(timeout=5.0) as http:
            while not self._stop_asked.wait(POLL_S):
                try:
                    self._answer_open(http)
                except (httpx.HTTPError, OSError, ValueError, KeyError):
                    continue  # the service is away, or the review has moved on

    def stop(self) -> None:
        """Answer no more."""
        self._stop_asked.set()

    def _answer_open(self, http: httpx.Client) -> None:
        service = json.loads(self._token_file().read_text())
        base = f"{service['address']}/api/v1/reviews"
        headers = {"Authorization": f"Bearer {service['token']}"}
        listed = http.get(base, params={"state": "open", "limit": 200}, headers=headers).raise_for_status().json()
        for item in listed["reviews"]:
            name = f"{item['proposal_id']}/{item['revision']}"
            if name in self._sent or self._stop_asked.is_set():
                continue
            shown = http.get(f"{base}/{item['proposal_id']}", headers=headers).raise_for_status().json()
            body = {
                "verdict": answer_to(shown),
                "decision_id": hashlib.sha256(f"{NAME}/{name}".encode()).hexdigest()[:32],
                "seen_digest": shown["arguments_digest"],
                "seen_revision": shown["revision"],
                "note": f"{NAME}: looked at it",
            }
            answer = http.post(f"{base}/{item['proposal_id']}/decision", json=body, headers=headers)
            if answer.is_success:
                self._sent.add(name)
