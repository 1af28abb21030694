from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivergate.demos.shuttle.reviewer import NAME, ScriptedReviewer, answer_to, decision_for
from rivergate.demos.shuttle.telemetry import READINGS, ShuttleTelemetry, Truths

TRUTHS = Truths([True, False] * 4)
SHORT = {"opened_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-01T00:00:08.000000Z"}
LONG = SHORT | {"expires_at": "2026-01-01T00:05:00.000000Z"}


def review(number: int = 0, pid: str = "0001" + "0" * 28, **more: Any) -> dict[str, Any]:
    """A review as the service's API shows it."""
    found = {"proposal_id": pid, "revision": 0, "arguments_digest": "d" * 64, "arguments": {"machine": "press-1"}}
    return found | {"event_id": f"/demo/shuttle#reading-{number}"} | LONG | more


def test_it_says_what_it_would_have_seen() -> None:
    """It approves where the reading was true trouble, else denies, and signs its note with its name."""
    assert answer_to(review(0), TRUTHS) == ("approve", f"{NAME}: went to press-1, it is in trouble")
    assert answer_to(review(3), TRUTHS) == ("deny", f"{NAME}: went to press-1, nothing is wrong with it")


def test_some_short_reviews_lie() -> None:
    """Of those with seconds to live one in four is left alone, of the others none."""
    pids = [f"{n:04x}" + "0" * 28 for n in range(8)]
    assert [answer_to(review(0, p, **SHORT), TRUTHS) is None for p in pids] == [True, False, False, False] * 2
    assert all(answer_to(review(0, p), TRUTHS) for p in pids)


def test_the_same_answer_is_the_same_decision() -> None:
    """Sent again it has the same id; another revision is another decision."""
    first, again = (decision_for(review(), "approve", "") for _ in range(2))
    assert first == again
    assert first["decision_id"] != decision_for(review(revision=1), "approve", "")["decision_id"]


def test_the_truths_begin_again_with_the_telemetry() -> None:
    """Reading numbers go on for ever, the data's rows don't; the constant is how many there are."""
    rows = sum(1 for _ in ShuttleTelemetry())
    assert rows == READINGS
    assert Truths([True, False])[READINGS] is True


class Service:
    """A review service with one open review that may refuse the first decision."""

    def __init__(self, refuse: int = 0) -> None:
        self.refuse = refuse
        self.decisions: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        if request.method == "POST":
            if self.refuse:
                self.refuse -= 1
                return httpx.Response(503)
            self.decisions.append(json.loads(request.content))
            return httpx.Response(202, json={})
        if request.url.path.endswith("/reviews"):
            return httpx.Response(200, json={"reviews": [{"proposal_id": review()["proposal_id"], "revision": 0}]})
        return httpx.Response(200, json=review())


def reviewer(tmp_path: Path, service: Service) -> ScriptedReviewer:
    """The reviewer before that service."""
    token_file = tmp_path / "token.json"
    token_file.write_text(json.dumps({"address": "http://here", "token": "secret", "name": NAME}))
    return ScriptedReviewer(token_file, TRUTHS, httpx.Client(transport=httpx.MockTransport(service)))


def test_it_answers_each_open_review_once(tmp_path: Path) -> None:
    """A review that it has answered stays in the list for a moment, and isn't answered again."""
    service = Service()
    script = reviewer(tmp_path, service)
    script.answer_open()
    script.answer_open()
    assert [d["verdict"] for d in service.decisions] == ["approve"]
    assert service.decisions[0]["seen_digest"] == "d" * 64


def test_it_tries_again_where_the_service_failed(tmp_path: Path) -> None:
    """A decision that wasn't taken is sent with the next poll."""
    service = Service(refuse=1)
    script = reviewer(tmp_path, service)
    with pytest.raises(httpx.HTTPStatusError):
        script.answer_open()
    script.answer_open()
    assert len(service.decisions) == 1
